"use strict"
// The tiles of the control room; all of it is put in as text.
window.streamRrvaeControl = (() => {
  const ORDER = ["live", "minor", "major", "invalid", "idle", "done"]

  function fill(tile, told) {
    const set = (selector, text) => { tile.querySelector(selector).textContent = text ?? "–" }
    tile.dataset.kind = told.kind
    tile.classList.toggle("stale", told.stale)
    set(".instrument", told.instrument)
    set(".state", `${told.shape} ${told.word}`)
    set(".scan", told.percent ? `${told.percent} · ${told.scan}` : "–")
    set(".reason", told.reason)
    tile.querySelector(".progress span").style.width = `${100 * (told.fraction ?? 0)}%`
    for (const fact of tile.querySelectorAll("[data-fact]")) fact.textContent = told.cells[fact.dataset.fact] ?? "–"
  }

  function tally(all) {
    const counts = new Map()
    for (const told of [...all].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))) {
      const name = `${told.shape} ${told.word.toLowerCase()}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return [...counts].map(([name, count]) => name.replace(" ", ` ${count} `)).join(" · ")
  }

  function show(texts) {
    const all = texts.map((text) => JSON.parse(text))
    window.streamRrvaeConnection.hear()
    all.forEach((told, index) => fill(document.querySelector(`[data-tile="${index + 1}"]`), told))
    document.getElementById("tally").textContent = tally(all)
    document.getElementById("clock").textContent = all[0].clock
    document.title = `Control room · ${tally(all)}`
  }

  function start(status) {
    window.streamRrvaeConnection.watch(status.document)
    status.on_change(status.properties.data, () => show(status.data.text))
    show(status.data.text)
    document.body.dataset.started = "true"
  }

  return { start }
})()
