"use strict"
// The points of latent space, as pixels: a picture as wide as what the figure shows, painted anew when that moves.
window.streamRrvae.add((() => {
  const FEW = 5000  // points that may be larger; of more, one that lies alone is fainter, so that density shows
  const FAINT = 0x90 << 24  // opacity
  let page = null, figure = null, waits = false

  function side() {
    const view = Bokeh.index.find_one(figure)
    return Math.max(64, Math.round((view?.frame.bbox.width ?? 256) * devicePixelRatio))
  }

  function paint() {
    const { x, y, colour } = page.sources.get("scatter").data
    const { start: left, end: right } = figure.x_range, { start: low, end: high } = figure.y_range
    const size = side(), words = new Uint32Array(size * size)
    const colours = page.sources.get("palettes").data.ember[0]
    const table = new Uint32Array(colours.buffer, colours.byteOffset, 256)
    const dot = Math.round((x.length > FEW ? 2 : 3) * devicePixelRatio)
    const across = size / (right - left), up = size / (high - low)
    for (let i = 0; i < x.length; i++) {
      const column = Math.floor((x[i] - left) * across - dot / 2), row = Math.floor((y[i] - low) * up - dot / 2)
      const word = table[colour[i]], faint = x.length > FEW ? (word & 0xffffff | FAINT) >>> 0 : word
      if (!word || column < 0 || row < 0 || column > size - dot || row > size - dot) continue
      for (let j = 0, from = row * size + column; j < dot; j++, from += size) {
        for (let at = from; at < from + dot; at++) words[at] = words[at] ? word : faint
      }
    }
    const { ndarray } = Bokeh.require("core/util/ndarray")
    const cloud = ndarray(words.buffer, { dtype: "uint32", shape: [size, size] })
    page.sources.get("cloud").data = { cloud: [cloud], box_x: [left], box_y: [low], box_w: [right - left], box_h: [high - low] }
  }

  // A zoom moves four ends.
  function soon() {
    if (waits) return
    waits = true
    requestAnimationFrame(() => { waits = false; paint() })
  }

  return {
    start(given) {
      page = given
      figure = page.sources.get("status").document.get_model_by_name("latents")
      for (const range of [figure.x_range, figure.y_range]) {
        for (const end of ["start", "end"]) range.on_change(range.properties[end], soon)
      }
      new ResizeObserver(soon).observe(document.querySelector("[data-panel=latents] .frame"))
    },
    modelled: () => paint(),
  }
})())
