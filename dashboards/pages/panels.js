"use strict"
// Titles, colour bars and the value under the pointer, from what came with the images.
window.streamRrvaePanels = (() => {
  const SOURCES = { magnitude: "measured", direction: "measured", chosen: "measured", pattern: "measured" }
  const part = (panel, selector) => document.querySelector(`[data-panel="${panel}"] ${selector}`)
  const section = (panel) => document.querySelector(`[data-panel="${panel}"]`)
  const { value } = window.streamRrvaeValues
  let labels = {}

  // A text that is set again is laid out again, also when it is the same.
  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text }

  function showBar(panel, bar) {
    setText(part(panel, ".high"), bar.high_text)
    setText(part(panel, ".middle"), bar.mid_text)
    setText(part(panel, ".low"), bar.low_text)
  }

  function showColours(panel, name) {
    const node = part(panel, ".bar")
    if (node.dataset.colours !== name) node.style.background = `var(--bar-${name})`
    node.dataset.colours = name
  }

  const probeText = () => labels.seen ? `mean of ${labels.seen}` : labels.position ? `(${labels.position})` : ""

  function showMeasured(told) {
    labels = told
    for (const panel of ["magnitude", "chosen", "pattern"]) showBar(panel, told[panel])
    setText(part("magnitude", ".unit"), told.magnitude.unit)
    const coverage = told.chosen.name === "virtual_detector" && told.coverage ? ` · ${told.coverage} kept` : ""
    setText(part("chosen", ".unit"), told.chosen.unit + coverage)
    showColours("chosen", told.chosen.bar)
    setText(part("pattern", ".unit"), told.pattern.log ? `log ${told.pattern.unit}` : told.pattern.unit)
    setText(part("pattern", ".read-out"), probeText())
    setText(part("pattern", ".note"), told.position && `✛ ${told.com}`)
    setText(part("pattern", ".saturated"), told.saturated)
    setText(part("chosen", ".empty"), told.chosen.empty)
    for (const panel of ["magnitude", "direction"]) section(panel).classList.toggle("has-data", told.has_maps)
    section("chosen").classList.toggle("has-data", told.has_chosen)
    section("pattern").classList.toggle("has-data", told.has_pattern)
  }

  function showModel(told) {
    section("rotation").classList.toggle("has-data", told.has_rotation)
    section("latents").classList.toggle("has-data", told.points > 0)
    showBar("latents", told.scatter)
    setText(part("latents", ".unit"), `colour: COM magnitude, ${told.scatter.unit}`)
  }

  function showAxes(axes) {
    const [x, y] = axes === "scan" ? ["+x", "+y"] : ["+kx", "+ky"]
    for (const node of document.querySelectorAll(".axis-x")) node.textContent = x
    for (const node of document.querySelectorAll(".axis-y")) node.textContent = y
  }

  // The scan or detector position under the pointer, with the value that its colour carries.
  function readOut(panel, sources, x, y) {
    if (!(panel in SOURCES) || !labels[panel]) return ""
    const data = sources.get("measured").data
    const box = panel === "pattern" ? "pattern" : "map"
    const image = data[panel][0]
    const [rows, columns] = image.shape
    const column = Math.floor(((x - data[`${box}_x`][0]) / data[`${box}_w`][0]) * columns)
    const row = Math.floor(((y - data[`${box}_y`][0]) / data[`${box}_h`][0]) * rows)
    if (row < 0 || column < 0 || row >= rows || column >= columns) return ""
    const step = box === "map" ? Math.ceil(labels.scan_shape[0] / rows) : 1
    return `y ${row * step}, x ${column * step}: ${value(image[row * columns + column], labels[panel], "not visited")}`
  }

  function point(panel, event, sources) {
    const node = part(panel, ".read-out")
    const leaves = event.event_name === "mouseleave"
    if (leaves) node.textContent = panel === "pattern" ? probeText() : ""
    else node.textContent = readOut(panel, sources, event.x, event.y)
  }

  return { showMeasured, showModel, showAxes, point }
})()
