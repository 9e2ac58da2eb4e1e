"use strict"
// The status line and the tables; everything goes in as text, so nothing that a service says can be markup.
window.streamRrvaeStatus = (() => {
  const ready = new WeakMap()
  const changed = new Set()  // nodes whose new text may not fit: looked at when all are written, for looking lays out the page
  const setText = (node, value) => {
    const text = value ?? "–"
    if (node.textContent === text) return
    node.textContent = text
    changed.add(node)
  }

  addEventListener("resize", () => { document.querySelectorAll("[data-text]").forEach((node) => changed.add(node)) })

  function nameWhatIsCut() {
    const cut = [...changed].filter((node) => node.scrollWidth > node.clientWidth)
    for (const node of cut) node.title = node.textContent
    changed.clear()
  }

  function fillTable(table, rows) {
    const wanted = JSON.stringify(rows)
    if (ready.get(table) === wanted) return
    ready.set(table, wanted)
    table.replaceChildren(...rows.map(([name, value, whole = name]) => {
      const row = document.createElement("tr")
      if (name) {
        row.insertCell().textContent = name
        row.cells[0].title = whole
      }
      const cell = row.insertCell()
      cell.textContent = value
      cell.title = value
      if (!name) cell.colSpan = 2
      return row
    }))
  }

  function show(told) {
    const page = document.getElementById("page")
    for (const node of document.querySelectorAll("[data-text]")) setText(node, told[node.dataset.text])
    document.getElementById("state").dataset.kind = told.kind
    page.classList.toggle("stale", told.stale)
    page.classList.toggle("frozen", Boolean(told.frozen))
    for (const cell of document.querySelectorAll("[data-cell]")) {
      const name = cell.dataset.cell
      setText(cell.querySelector("dd"), told.cells[name])
      if (told.labels?.[name]) setText(cell.querySelector("dt"), told.labels[name])
      cell.classList.toggle("locked", name === "rotation" && Boolean(told.rotation?.locked))
      cell.classList.toggle("alarm", (told.cells.alarms ?? []).includes(name))
    }
    for (const table of document.querySelectorAll("[data-table]")) fillTable(table, told.tables[table.dataset.table] ?? [])
    const percent = 100 * (told.fraction ?? 0)
    const progress = document.getElementById("progress")
    progress.firstElementChild.style.width = `${percent}%`
    progress.setAttribute("aria-valuenow", String(Math.floor(percent)))
    showBadges(told)
    nameWhatIsCut()
    document.title = `${told.instrument} · ${told.word}${told.word === "LIVE" ? ` ${told.percent}` : ""}`
  }

  function showBadges(told) {
    const text = told.stale ? `${told.shape} ${told.word} · ${told.since}` : told.frozen ? (told.back ? `FROZEN · ${told.back} back` : "FROZEN") : ""
    for (const badge of document.querySelectorAll(".badge")) {
      badge.dataset.kind = told.stale ? told.kind : "done"
      setText(badge, text)
    }
  }

  return { show }
})()
