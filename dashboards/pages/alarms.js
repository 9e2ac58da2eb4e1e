"use strict"
// The list of alarms. Rows are kept as long as their alarm is, so that a button does not vanish under the pointer.
window.streamRrvaeAlarms = (() => {
  const ROWS = 3
  let acknowledge = () => {}

  function make(alarm) {
    const row = document.createElement("li")
    row.dataset.serial = String(alarm.serial)
    for (const name of ["severity", "when", "source", "text"]) {
      row.append(Object.assign(document.createElement("span"), { className: name }))
    }
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Acknowledge" })
    button.addEventListener("click", () => acknowledge([alarm.serial]))
    row.append(button)
    return row
  }

  function fill(row, alarm, whyNot) {
    const set = (name, text) => Object.assign(row.querySelector(name), { textContent: text, title: text })
    row.dataset.kind = alarm.kind
    row.classList.toggle("acknowledged", alarm.acknowledged)
    set(".severity", `${alarm.shape} ${alarm.severity}`)
    set(".when", alarm.began)
    set(".source", alarm.instrument)
    const often = alarm.times > 1 ? ` (${alarm.times} times)` : ""
    set(".text", `${alarm.over ? `over since ${alarm.over}: ` : ""}${alarm.text}${often}`)
    const button = row.querySelector("button")
    button.hidden = alarm.acknowledged
    button.disabled = Boolean(whyNot)
    button.title = whyNot
  }

  function show(wall) {
    const list = document.querySelector("#alarms ol")
    const known = new Map([...list.children].map((row) => [row.dataset.serial, row]))
    const rows = wall.alarms.map((alarm) => known.get(String(alarm.serial)) ?? make(alarm))
    if (rows.length !== list.children.length || rows.some((row, i) => row !== list.children[i])) list.replaceChildren(...rows)
    rows.forEach((row, i) => fill(row, wall.alarms[i], wall.why_viewer))
    document.getElementById("no-alarms").hidden = rows.length > 0
    const rest = wall.alarms.length > ROWS ? `and ${wall.alarms.length - ROWS} more` : ""
    const open = `${wall.unacknowledged} not acknowledged`
    document.getElementById("more").hidden = rows.length === 0
    document.querySelector("#more span").textContent = [rest, open].filter(Boolean).join(" · ")
    const all = document.querySelector("#more button")
    all.hidden = wall.unacknowledged < 2 || Boolean(wall.why_viewer)
    all.onclick = () => acknowledge(wall.alarms.map((alarm) => alarm.serial))
  }

  return { show, onAcknowledge(callback) { acknowledge = callback } }
})()
