"use strict"
// The list of recordings: found, filtered and drawn here; names and texts go in as text, never as markup.
window.streamRrvaeReplayList = (() => {
  const SHOWN = 400
  const STATES = {
    complete: ["✓ complete", "done"], recovered: ["◆ recovered", "minor"], aborted: ["▲ aborted", "minor"],
    recording: ["● being recorded", "live"], unfinished: ["◆ not finished", "minor"], damaged: ["■ damaged", "major"],
  }
  let told = null
  let shown = { a: "", b: "" }
  let pick = () => {}
  const byId = (id) => document.getElementById(id)

  const damage = (run) => (run.counts?.positions_missing ?? 0) + (run.counts?.undecodable ?? 0)
  const two = (number) => String(number).padStart(2, "0")
  function clock(unix) {
    const at = new Date(1000 * unix)
    return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`
  }

  function words(run) {
    return [run.name, run.scan_id, ...Object.values(run.metadata ?? {})].join(" ").toLowerCase()
  }

  function isWanted(run) {
    const search = byId("search").value.trim().toLowerCase()
    if (search && !search.split(/\s+/).every((part) => words(run).includes(part))) return false
    const days = Number(byId("since").value)
    if (days && Date.now() / 1000 - (run.began_unix_s || run.changed_unix_s) > 86400 * days) return false
    const filter = byId("filter").value
    if (filter === "complete") return run.state === "complete"
    if (filter === "damaged") return damage(run) > 0 || Boolean(run.problem)
    if (filter === "unfinished") return run.state === "recording" || run.state === "unfinished"
    return true
  }

  function state(run) {
    if (run.problem) return ["■ unreadable", "major"]
    const missing = run.counts?.positions_missing ?? 0
    const total = run.counts?.positions ?? 0
    const [text, kind] = STATES[run.state] ?? ["looking …", "idle"]
    if (!total) return [text, kind]
    const share = Math.floor((100 * (total - missing)) / total)
    if (run.state === "aborted" || run.state === "recovered") return [`${text} ${share} %`, kind]
    if (run.state === "recording" || run.state === "unfinished") return [`${text} ${share} %`, kind]
    if (missing) return [`▲ ${missing.toLocaleString("en").replaceAll(",", "\u202f")} missing`, "minor"]
    if (run.counts.undecodable) return [`▲ ${run.counts.undecodable} damaged`, "minor"]
    return [text, kind]
  }

  function thumb(run, name, title) {
    const image = document.createElement(run.thumbnails?.includes(name) ? "img" : "span")
    image.className = "thumb"
    if (image.tagName === "IMG") {
      image.loading = "lazy"
      image.alt = title
      image.src = `recordings/thumbnail?id=${run.id}&name=${name}&v=${Math.round(run.changed_unix_s)}`
    }
    return image
  }

  function line(className, text, tag = "span") {
    const node = document.createElement(tag)
    if (className) node.className = className
    node.textContent = text
    return node
  }

  function row(run) {
    const button = line("row", "", "button")
    button.type = "button"
    button.dataset.id = run.id
    const about = document.createElement("span")
    about.className = "words"
    const shape = run.scan_shape?.length ? `${run.scan_shape[0]} × ${run.scan_shape[1]}` : ""
    const sample = run.metadata?.sample ?? run.metadata?.specimen ?? ""
    const [how, kind] = state(run)
    const last = line("how", [how, sample].filter(Boolean).join(" · "))
    last.dataset.kind = kind
    about.append(line("", run.scan_id || run.name, "b"), line("when number", [clock(run.began_unix_s || run.changed_unix_s), shape].filter(Boolean).join(" · ")), last)
    button.append(thumb(run, "com_magnitude", "COM magnitude"), thumb(run, "com_direction", "COM direction"), about)
    button.title = [run.name, sample, how, run.fault, run.problem].filter(Boolean).join("\n")
    button.addEventListener("click", (event) => pick(run.id, event.shiftKey || event.ctrlKey))
    const item = document.createElement("li")
    item.append(button)
    return item
  }

  function mark() {
    for (const button of document.querySelectorAll(".row")) {
      button.setAttribute("aria-current", String(button.dataset.id === shown.a))
      button.dataset.compared = String(Boolean(shown.b) && button.dataset.id === shown.b)
    }
  }

  function draw() {
    if (!told?.recordings) return
    const wanted = told.recordings.filter(isWanted)
    byId("rows").replaceChildren(...wanted.slice(0, SHOWN).map(row))
    const parts = [`${wanted.length} of ${told.recordings.length} recordings, local times`]
    if (!told.recordings.length) parts[0] = `no recordings in ${told.folder} yet: stream-rrvae serve --record`
    else if (!wanted.length) parts[0] = `none of ${told.recordings.length} fits`
    if (wanted.length > SHOWN) parts.push(`the newest ${SHOWN} shown`)
    if (told.more) parts.push(`${told.more} older ones not listed`)
    if (told.pending) parts.push(`looking into ${told.pending} …`)
    byId("count").textContent = parts.join(" · ")
    mark()
  }

  function show(given) {
    told = given
    draw()
  }

  function choose(a, b) {
    if (a === shown.a && b === shown.b) return
    shown = { a, b }
    mark()
  }

  function start(onPick) {
    pick = onPick
    byId("search").value = new URLSearchParams(location.search).get("search") ?? ""
    for (const id of ["search", "filter", "since"]) byId(id).addEventListener("input", draw)
  }

  // While the second run of a comparison is to be chosen.
  function wait(isWaiting) {
    if (isWaiting) byId("count").textContent = "choose the run to compare with"
    else draw()
  }

  // The next run up or down of those that are shown; "" at the ends.
  function neighbour(step) {
    const ids = [...document.querySelectorAll(".row")].map((button) => button.dataset.id)
    return ids[ids.indexOf(shown.a) + step] ?? ""
  }

  return { start, show, choose, wait, neighbour, models: () => told?.checkpoints ?? [] }
})()
