"use strict"
// Ties the page to its Bokeh sources: paints what comes, says what was painted, sends what the operator wishes and orders.
window.streamRrvae = (() => {
  const told = { wish: "{}", order: "{}" }
  const wish = { map: "latent_1", frozen: false, back: 0, pinned: null, linear: false, average: "latest", restarts: 0, arrows: false,
    latents: ["latent_1", "latent_2"], contrast: {}, histogram: "", enlarged: "", lasso: [], ring: null }
  const parts = []  // scripts of single things: { start(page), measured(told), modelled(told), status(told) }
  const page = { wish, change, order, sources: null, labels: {}, toggle, status: {} }
  let orders = 0

  const reply = () => {
    page.sources.get("reply").data = { wish: [told.wish], order: [told.order] }
  }

  function change(wished) {
    Object.assign(wish, wished)
    const text = JSON.stringify(wish)
    if (text === told.wish) return
    told.wish = text
    reply()
  }

  function order(name, given = {}) {
    orders += 1
    told.order = JSON.stringify({ number: orders, do: name, ...given })
    reply()
  }

  function toggle(button, pressed) {
    button.setAttribute("aria-pressed", String(pressed))
  }

  const forAll = (name, given) => { for (const part of parts) part[name]?.(given) }

  function onData(name, handle) {
    const source = page.sources.get(name)
    const changed = () => handle(JSON.parse((source.data.labels ?? source.data.text)[0]))
    source.on_change(source.properties.data, changed)
    changed()
  }

  function measured(labels) {
    if (!labels.push) return
    page.labels = labels
    window.streamRrvaePanels.showMeasured(labels)
    forAll("measured", labels)
  }

  function modelled(labels) {
    if (!labels.scatter) return
    window.streamRrvaePanels.showModel(labels)
    forAll("modelled", labels)
  }

  // Only what is not as before is told.
  function status(changes) {
    const state = { ...page.status, ...changes }
    if (!state.word) return
    page.status = state
    window.streamRrvaeConnection.hear()
    window.streamRrvaeStatus.show(state)
    window.streamRrvaePanels.showAxes(state.axes)
    forAll("status", state)
  }

  function start(given) {
    page.sources = given instanceof Map ? given : new Map(Object.entries(given))
    window.streamRrvaeConnection.watch(page.sources.get("status").document)
    window.streamRrvaeFigures.leaveOutOfTabOrder(page.sources.get("status").document)
    forAll("start", page)
    onData("status", status)
    onData("measured", measured)
    onData("modelled", modelled)
    onData("trends", (trends) => forAll("trends", trends))
    window.streamRrvaeLine.open(page.sources, window.streamRrvaeConnection.lose)
    document.body.dataset.started = "true"
  }

  // What figures report goes to whichever part wants it: point, tap, doubled, drag, lasso.
  const handed = (name) => (...given) => page.sources && parts.map((part) => part[name]?.(...given)).some(Boolean)
  const point = (panel, event) => { if (page.sources) window.streamRrvaePanels.point(panel, event, page.sources) }
  return { start, point, add: (part) => parts.push(part),
    tap: handed("tap"), doubled: handed("doubled"), drag: handed("drag"), lasso: handed("lasso") }
})()
