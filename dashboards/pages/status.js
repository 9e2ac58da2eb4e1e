"use strict"
// The status line and the tables; everything goes in as text, so nothing that a service says can be markup.
window.streamRrvaeStatus = (() => {
  const ready = new WeakMap()
  const changed = new Set()  // nodes whose new text may not fit: looked at when all are written, for looking lays out the page
  let recorded = false  // whether the service records, and this server knows its recordings
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

  const recordingOf = (scan) => `recordings/of?scan=${encodeURIComponent(scan)}`

  function linked(text, scan) {
    return Object.assign(document.createElement("a"), { textContent: text, href: recordingOf(scan) })
  }

  function showRecording(told) {
    recorded = Boolean(told.recorded && "recordings" in document.getElementById("page").dataset)
    const link = document.getElementById("recording")
    if (!link) return
    link.hidden = !recorded
    link.href = recordingOf(told.scan_id)
  }

  function showRole(viewer) {
    const role = document.getElementById("role"), text = viewer ? "viewer" : "operator"
    if (role.textContent !== text || role.title !== (viewer ?? "")) Object.assign(role, { textContent: text, title: viewer ?? "" })
  }

  function fillTable(table, rows) {
    const wanted = JSON.stringify(rows)
    if (ready.get(table) === wanted) return
    ready.set(table, wanted)
    table.replaceChildren(...rows.map(([name, value, whole = name, scan = ""]) => {
      const row = document.createElement("tr")
      if (name) {
        row.insertCell().append(recorded && scan ? linked(name, scan) : name)
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
    showRecording(told)
    for (const table of document.querySelectorAll("[data-table]")) fillTable(table, told.tables[table.dataset.table] ?? [])
    const percent = 100 * (told.fraction ?? 0)
    const progress = document.getElementById("progress")
    progress.firstElementChild.style.width = `${percent}%`
    progress.setAttribute("aria-valuenow", String(Math.floor(percent)))
    showBadges(told)
    nameWhatIsCut()
    showRole(told.viewer)
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
