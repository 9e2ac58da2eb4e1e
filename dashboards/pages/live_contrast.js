"use strict"
// Limits of colours: automatic, percentiles or locked; a padlock on each bar, and a histogram whose limits are dragged.
window.streamRrvae.add((() => {
  const PANELS = ["magnitude", "pattern", "chosen"]
  const SVG = "http://www.w3.org/2000/svg"
  const WIDTH = 240, HEIGHT = 90
  let page = null, dragged = null, shown = null

  const lockOf = (panel) => document.querySelector(`[data-panel="${panel}"] .lock`)
  const isLocked = (panel) => page.wish.contrast[panel]?.mode === "locked"
  const open = () => page.wish.histogram

  function set(panel, contrast) {
    const all = { ...page.wish.contrast }
    if (contrast) all[panel] = contrast
    else delete all[panel]
    page.change({ contrast: all })
    show()
  }

  const locked = (panel) => ({ mode: "locked", low: page.labels[panel].low, high: page.labels[panel].high })

  function lockAll() {
    if (!page.labels.magnitude) return
    const all = PANELS.every(isLocked) ? {} : Object.fromEntries(PANELS.map((panel) => [panel, page.wish.contrast[panel]?.mode === "locked" ? page.wish.contrast[panel] : locked(panel)]))
    page.change({ contrast: all })
    show()
  }

  function percentiles() {
    const [low, high] = ["low", "high"].map((end) => Number(document.getElementById(`percentile-${end}`).value))
    if (!(low >= 0 && high <= 100 && low < high)) return
    page.change({ contrast: Object.fromEntries(PANELS.map((panel) => [panel, { mode: "percentiles", low, high }])) })
    show()
  }

  function show() {
    for (const panel of PANELS) {
      page.toggle(lockOf(panel), isLocked(panel))
      lockOf(panel).dataset.mode = page.wish.contrast[panel]?.mode ?? "auto"
    }
    page.toggle(document.getElementById("lock"), PANELS.every(isLocked))
  }

  function openFor(panel) {
    page.change({ histogram: open() === panel ? "" : panel })
    const box = document.getElementById("histogram")
    box.hidden = !open()
    if (open()) document.querySelector(`[data-panel="${panel}"] .frame`).append(box)
  }

  // The position of a value along the histogram, 0 to 1, and back.
  const along = (value) => ((shown.log ? Math.log10(Math.max(value, 1e-300)) : value) - shown.low) / (shown.high - shown.low)
  const valueAt = (share) => { const at = shown.low + share * (shown.high - shown.low); return shown.log ? 10 ** at : at }

  function draw(told) {
    shown = told.histogram?.panel === open() ? told.histogram : null
    const plot = document.querySelector("#histogram svg")
    if (!open() || !shown) { if (plot.firstChild) plot.replaceChildren(); return }
    const most = Math.max(...shown.counts.map((count) => Math.log1p(count)), 1e-9)
    const each = WIDTH / shown.counts.length
    const bars = shown.counts.map((count, index) => element("rect", { class: "count", x: index * each, width: Math.max(1, each - 0.5), y: HEIGHT - HEIGHT * Math.log1p(count) / most, height: HEIGHT * Math.log1p(count) / most }))
    const ends = ["low", "high"].map((end) => {
      const x = WIDTH * Math.min(1, Math.max(0, along(told[open()][end])))
      const handle = element("rect", { class: "limit", "data-end": end, x: x - 3, y: 0, width: 6, height: HEIGHT, tabindex: 0, role: "slider", "aria-label": `${end}er limit` })
      return handle
    })
    plot.replaceChildren(...bars, ...ends)
  }

  function element(name, attributes) {
    const made = document.createElementNS(SVG, name)
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
    return made
  }

  function moveLimit(end, share) {
    const panel = open(), limits = locked(panel)
    const value = valueAt(Math.min(1.2, Math.max(-0.2, share)))
    const signed = panel === "chosen" && page.labels.chosen.signed
    if (signed) { limits.high = Math.max(Math.abs(value), 1e-12); limits.low = -limits.high }
    else limits[end] = value
    if (limits.low < limits.high) set(panel, limits)
  }

  function listen() {
    const plot = document.querySelector("#histogram svg")
    const share = (event) => { const box = plot.getBoundingClientRect(); return (event.clientX - box.x) / box.width }
    plot.addEventListener("pointerdown", (event) => {
      if (!shown) return
      const [low, high] = ["low", "high"].map((end) => along(page.labels[open()][end]))
      dragged = Math.abs(share(event) - low) < Math.abs(share(event) - high) ? "low" : "high"
      plot.setPointerCapture(event.pointerId)
    })
    plot.addEventListener("pointermove", (event) => { if (dragged && !moveLimit.waits) { moveLimit.waits = true; moveLimit(dragged, share(event)); setTimeout(() => { moveLimit.waits = false }, 60) } })
    plot.addEventListener("pointerup", (event) => { if (dragged) moveLimit(dragged, share(event)); dragged = null })
    plot.addEventListener("dblclick", () => set(open(), null))
    plot.addEventListener("keydown", (event) => {
      const end = event.target.dataset?.end, turn = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key]
      if (!end || !turn) return
      event.stopPropagation()
      event.preventDefault()
      moveLimit(end, along(page.labels[open()][end]) + turn)
    })
  }

  return {
    start(given) {
      page = given
      page.lockAll = lockAll
      page.closeHistogram = () => { if (open()) openFor(open()) }
      for (const panel of PANELS) {
        lockOf(panel).addEventListener("click", () => set(panel, isLocked(panel) ? null : page.labels[panel] && locked(panel)))
        document.querySelector(`[data-panel="${panel}"] .bar`).addEventListener("click", () => openFor(panel))
      }
      document.getElementById("lock").addEventListener("click", lockAll)
      document.getElementById("percentiles").addEventListener("change", percentiles)
      document.getElementById("automatic").addEventListener("click", () => { page.change({ contrast: {} }); show() })
      document.querySelector("#histogram .close").addEventListener("click", () => page.closeHistogram())
      listen()
    },
    measured: (told) => { if (!dragged || told.histogram) draw(told) },
  }
})())
