"use strict"
// Keys of the live page; the overlay that "?" opens lists them.
window.streamRrvae.add((() => {
  let page = null
  const overlay = (id) => document.getElementById(id)

  function show(id, visible) {
    for (const each of ["help", "details"]) overlay(each).hidden = each !== id || !visible
  }

  function escape() {
    const open = ["help", "details"].find((id) => !overlay(id).hidden)
    if (open) show(open, false)
    else if (page.wish.histogram) page.closeHistogram()
    else if (document.getElementById("page").dataset.enlarged) page.enlarge(0)
    else if (page.wish.lasso.length) page.clearLasso()
    else page.pin(null)
  }

  const fullScreen = () => document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.()
  const keys = {
    " ": () => page.freeze(), s: () => page.snapshot(), l: () => page.lockAll(), f: fullScreen,
    ",": () => page.back(1), ".": () => page.back(-1), a: () => document.getElementById("arrows").click(),
    "0": () => page.resetZoom(), i: () => show("details", overlay("details").hidden),
    "?": () => show("help", overlay("help").hidden), Escape: escape,
    ArrowUp: () => page.step(-1, 0), ArrowDown: () => page.step(1, 0), ArrowLeft: () => page.step(0, -1), ArrowRight: () => page.step(0, 1),
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("select, input")) return
    if (event.target.closest?.("button") && (event.key === " " || event.key === "Enter")) return
    const act = /^[1-6]$/.test(event.key) ? () => page.enlarge(Number(event.key)) : keys[event.key] ?? keys[event.key.toLowerCase()]
    if (!act) return
    act()
    event.preventDefault()
  }

  function resetZoom() {
    for (const root of page.sources.get("status").document.roots()) for (const range of [root.x_range, root.y_range]) range.reset()
  }

  return {
    start(given) {
      page = given
      page.resetZoom = resetZoom
      document.addEventListener("keydown", pressed)
      for (const [button, id] of [["show-help", "help"], ["show-details", "details"]]) {
        document.getElementById(button).addEventListener("click", () => show(id, overlay(id).hidden))
        overlay(id).addEventListener("click", () => show(id, false))
      }
      document.getElementById("full-screen").addEventListener("click", fullScreen)
    },
  }
})())
