"use strict"
// The pictures of the panels and the marks on them, on canvases of their own under Bokeh's: a new frame repaints
// nothing else. What they show of a picture follows the ranges of the figures above them.
window.streamRrvae.add((() => {
  const PALETTES = { magnitude: "inferno", direction: "direction", pattern: "pattern" }
  const panels = new Map()
  let page = null

  const column = (source, name) => page.sources.get(source).data[name]?.[0]

  function panelOf(canvas) {
    const name = canvas.closest("[data-panel]").dataset.panel
    const figure = page.sources.get("status").document.get_model_by_name(name)
    const panel = { name, canvas, context: canvas.getContext("2d"), x: figure.x_range, y: figure.y_range, side: 0,
      source: name === "rotation" ? "modelled" : "measured", box: name === "pattern" ? "pattern" : "map", picture: null }
    for (const range of [panel.x, panel.y]) {
      for (const end of ["start", "end"]) range.on_change(range.properties[end], () => soon(panel))
    }
    new ResizeObserver(([entry]) => resize(panel, entry.contentRect.width)).observe(canvas)
    return panel
  }

  function resize(panel, width) {
    panel.side = Math.round(width * devicePixelRatio)
    if (!panel.side) return
    Object.assign(panel.canvas, { width: panel.side, height: panel.side })
    paint(panel)
  }

  // A zoom moves four ends, each of several panels.
  function soon(panel) {
    if (panel.waits) return
    panel.waits = true
    requestAnimationFrame(() => { panel.waits = false; paint(panel) })
  }

  function colour(panel, image, table) {
    const [rows, columns] = image.shape
    if (panel.picture?.width !== columns || panel.picture?.height !== rows) {
      panel.picture = Object.assign(document.createElement("canvas"), { width: columns, height: rows })
      panel.drawn = panel.picture.getContext("2d", { willReadFrequently: true })
      panel.pixels = panel.drawn.createImageData(columns, rows)
      panel.words = new Uint32Array(panel.pixels.data.buffer)
    }
    const words = panel.words
    if (table) for (let i = 0; i < words.length; i++) words[i] = table[image[i]]
    else words.set(image)
    panel.drawn.putImageData(panel.pixels, 0, 0)
  }

  function tableOf(name) {
    const colours = page.sources.get("palettes").data[name][0]
    return new Uint32Array(colours.buffer, colours.byteOffset, 256)
  }

  function take(panel, palette) {
    const image = column(panel.source, panel.name)
    if (image) colour(panel, image, palette && tableOf(palette))
    paint(panel)
  }

  const acrossOf = ({ x, side }, value) => (value - x.start) / (x.end - x.start) * side
  const downOf = ({ y, side }, value) => (value - y.end) / (y.start - y.end) * side

  function paint(panel) {
    const { context, picture, side, box, source } = panel
    if (!picture || !side) return
    const [x, y, width, height] = ["x", "y", "w", "h"].map((end) => column(source, `${box}_${end}`))
    const left = acrossOf(panel, x), top = downOf(panel, y)
    context.clearRect(0, 0, side, side)
    context.imageSmoothingEnabled = false
    context.drawImage(picture, left, top, acrossOf(panel, x + width) - left, downOf(panel, y + height) - top)
    if (box === "map") probe(panel)
    else comAndBeam(panel)
  }

  // Light on dark, so that a mark shows on any colour.
  function stroke(context, lines, trace) {
    for (const [style, width] of lines) {
      context.beginPath()
      trace()
      Object.assign(context, { strokeStyle: style, lineWidth: width * devicePixelRatio })
      context.stroke()
    }
  }

  function probe(panel) {
    const x = column("measured", "probe_x"), y = column("measured", "probe_y")
    if (x == null || y == null) return
    const lines = [["rgb(0 0 0 / 80%)", 3], ["rgb(255 255 255 / 80%)", 1.2]]
    stroke(panel.context, lines, () => panel.context.arc(acrossOf(panel, x), downOf(panel, y), 4.5 * devicePixelRatio, 0, 2 * Math.PI))
  }

  function comAndBeam(panel) {
    const { context } = panel
    const [x, y, beamX, beamY, radius] = ["com_x", "com_y", "beam_x", "beam_y", "beam_r"].map((name) => column("measured", name))
    if (radius != null && beamX != null) {
      context.setLineDash([6 * devicePixelRatio])
      const reach = acrossOf(panel, beamX + radius) - acrossOf(panel, beamX)
      stroke(context, [["rgb(255 255 255 / 55%)", 1]], () => context.arc(acrossOf(panel, beamX), downOf(panel, beamY), reach, 0, 2 * Math.PI))
      context.setLineDash([])
    }
    if (x == null || y == null) return
    const across = acrossOf(panel, x), down = downOf(panel, y), arm = 10 * devicePixelRatio
    stroke(context, [["#000000", 4], ["#ffffff", 1.6]], () => {
      context.moveTo(across - arm, down)
      context.lineTo(across + arm, down)
      context.moveTo(across, down - arm)
      context.lineTo(across, down + arm)
    })
  }

  return {
    start(given) {
      page = given
      for (const canvas of document.querySelectorAll("canvas.picture")) {
        const panel = panelOf(canvas)
        panels.set(panel.name, panel)
      }
    },
    measured(told) {
      for (const panel of panels.values()) {
        if (panel.source === "measured") take(panel, panel.name === "chosen" ? told.chosen.bar : PALETTES[panel.name])
        else paint(panel)
      }
    },
    modelled() { take(panels.get("rotation"), null) },
  }
})())
