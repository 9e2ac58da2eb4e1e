"use strict"
// Titles, colour bars and the value under the pointer of both sides, from what came with the images.
window.streamRrvaeReplayPanels = (() => {
  const NAMES = ["magnitude", "direction", "chosen", "pattern"]
  const { value } = window.streamRrvaeValues
  const labels = { a: {}, b: {} }
  const section = (side, name) => document.querySelector(`[data-panel="${side}-${name}"]`)
  const part = (side, name, selector) => section(side, name).querySelector(selector)
  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text }

  function showBar(side, name, bar) {
    for (const [selector, text] of [[".high", bar.high_text], [".middle", bar.mid_text], [".low", bar.low_text]]) setText(part(side, name, selector), text)
  }

  function showMaps(side, told) {
    Object.assign(labels[side], told)
    showBar(side, "magnitude", told.magnitude)
    showBar(side, "chosen", told.chosen)
    setText(part(side, "magnitude", ".unit"), told.magnitude.unit)
    setText(part(side, "chosen", "h2"), told.chosen.title)
    setText(part(side, "chosen", ".unit"), told.chosen.turned ? "°" : told.chosen.unit)
    part(side, "chosen", ".as-bar .bar").style.background = `var(--bar-${told.chosen.bar})`
    section(side, "chosen").classList.toggle("turned", told.chosen.turned)
    for (const name of ["magnitude", "direction"]) showData(side, name, told.has_maps, "no maps in this recording: analyse it")
    const none = told.why_not ? `not made: ${told.why_not}` : told.is_loaded ? "nothing in this map: no model" : "loading …"
    showData(side, "chosen", told.has_chosen, told.has_maps ? none : "no maps in this recording: analyse it")
    const [x, y] = told.axes === "scan" ? ["+x", "+y"] : ["+kx", "+ky"]
    for (const node of document.querySelectorAll(`[data-side="${side}"] .axis-x`)) setText(node, x)
    for (const node of document.querySelectorAll(`[data-side="${side}"] .axis-y`)) setText(node, y)
  }

  function showData(side, name, has, otherwise) {
    section(side, name).classList.toggle("has-data", has)
    setText(part(side, name, ".empty"), otherwise)
  }

  function clear(side, text) {
    for (const name of NAMES) showData(side, name, false, text)
    setText(part(side, "pattern", ".note"), "")
    setText(part(side, "pattern", ".saturated"), "")
    setText(part(side, "pattern", ".read-out"), "")
  }

  const positionText = (side) => labels[side].position?.length ? `(y ${labels[side].position[0]}, x ${labels[side].position[1]})` : ""

  function showPattern(side, told) {
    labels[side].position = told.position
    labels[side].pattern = told.pattern
    showData(side, "pattern", told.has_pattern, told.problem || "no recording chosen")
    if (told.has_pattern) showBar(side, "pattern", told.pattern)
    setText(part(side, "pattern", ".read-out"), positionText(side))
    setText(part(side, "pattern", ".note"), told.has_pattern ? `✛ ${told.com}` : "")
    setText(part(side, "pattern", ".saturated"), told.saturated ?? "")
  }

  // The scan or detector position under the pointer, with the value that its colour carries.
  function under(side, name, sources, x, y) {
    const box = name === "pattern" ? "pattern" : "map"
    const data = sources.get(`${name === "pattern" ? "pattern" : "maps"}-${side}`).data
    const column = name === "chosen" && labels[side].chosen?.turned ? "turned" : name
    const image = data[column][0]
    const [rows, columns] = image.shape
    const at = [Math.floor(((y - data[`${box}_y`][0]) / data[`${box}_h`][0]) * rows), Math.floor(((x - data[`${box}_x`][0]) / data[`${box}_w`][0]) * columns)]
    if (at.some((index, axis) => index < 0 || index >= image.shape[axis])) return null
    const step = box === "map" && labels[side].scan_shape ? Math.ceil(labels[side].scan_shape[0] / rows) : 1
    return { y: at[0] * step, x: at[1] * step, level: image[at[0] * columns + at[1]], turned: column === "turned" }
  }

  function readOut(side, name, sources, x, y) {
    const scale = labels[side][name]
    const found = scale && under(side, name, sources, x, y)
    if (!found) return ""
    return `y ${found.y}, x ${found.x}${found.turned ? "" : `: ${value(found.level, scale, "not there")}`}`
  }

  function point(panel, event, sources) {
    const [side, name] = panel.split("-")
    const leaves = event.event_name === "mouseleave"
    setText(part(side, name, ".read-out"), leaves ? (name === "pattern" ? positionText(side) : "") : readOut(side, name, sources, event.x, event.y))
  }

  function enlarge(number) {
    const page = document.getElementById("page")
    const names = ["a", "b"].flatMap((side) => NAMES.map((name) => `${side}-${name}`))
    for (const panel of document.querySelectorAll(".panel")) panel.classList.toggle("enlarged", panel.dataset.panel === names[number - 1])
    if (number) page.dataset.enlarged = String(number)
    else delete page.dataset.enlarged
  }

  const position = (side) => labels[side].position?.length ? labels[side].position : [0, 0]

  return { showMaps, showPattern, clear, position, point, under, enlarge }
})()
