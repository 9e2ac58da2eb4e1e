"use strict"
// Ties the replay page to its Bokeh sources: paints what comes, and sends what is to be done, one command at a time.
window.streamRrvae = (() => {
  const list = window.streamRrvaeReplayList
  const bar = window.streamRrvaeReplayBar
  const panels = window.streamRrvaeReplayPanels
  const byId = (id) => document.getElementById(id)
  const setText = (node, text) => { if (node.textContent !== (text ?? "")) node.textContent = text ?? "" }
  let sources = null
  let told = {}
  let runs = {}
  let acknowledged = 0
  let number = 0
  let asked = { at: 0, probe: [0, 0] } // the latest position that was asked for
  let isComparing = false // the next run that is chosen is the second one

  function send(command) {
    if (command) number += 1
    sources.get("reply").data = { push: [acknowledged], number: [number], command: [JSON.stringify(command ?? {})] }
  }
  const act = (name, more = {}) => send({ do: name, ...more })

  function onData(name, handle) {
    const source = sources.get(name)
    const changed = () => handle(JSON.parse((source.data.labels ?? source.data.text)[0]))
    source.on_change(source.properties.data, changed)
    changed()
  }

  function painted(side, label) {
    if (!label.push) return
    panels.showMaps(side, label)
    // After the next frame has been drawn, and the drawing itself has ended.
    requestAnimationFrame(() => setTimeout(() => {
      if (label.push > acknowledged) { acknowledged = label.push; send(null) }
    }, 0))
  }

  function pick(id, asSecond) {
    if (asSecond || isComparing) { isComparing = false; act("open", { side: "b", id }) }
    else act("open", { side: "a", id })
    byId("compare").setAttribute("aria-pressed", "false")
    list.wait(false)
  }

  function options(select, pairs, chosen) {
    const key = JSON.stringify(pairs)
    if (select.dataset.key !== key) {
      select.dataset.key = key
      select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)))
    }
    if (document.activeElement !== select || select.value === "") select.value = chosen
  }

  function fillTable(table, rows) {
    table.replaceChildren(...rows.map(([name, value]) => {
      const row = document.createElement("tr")
      if (name) row.insertCell().textContent = name
      const cell = row.insertCell()
      cell.textContent = value
      cell.title = value
      if (!name) cell.colSpan = 2
      return row
    }))
  }

  function showRuns(given) {
    runs = given
    const page = byId("page")
    page.classList.toggle("nothing", !runs.a)
    page.classList.toggle("comparing", Boolean(runs.b))
    for (const side of ["a", "b"]) {
      const node = document.querySelector(`.side[data-side="${side}"]`)
      node.classList.toggle("filled", Boolean(runs[side]))
      setText(node.querySelector(".side-title"), runs[side]?.title)
      node.querySelector(".side-title").title = runs[side]?.name ?? ""
      setText(node.querySelector(".side-model"), runs[side] ? `${runs[side].summary} · ${runs[side].model}` : "")
    }
    const run = runs.a
    setText(byId("run-title"), run?.title ?? "no recording chosen")
    byId("run-title").title = run?.name ?? ""
    setText(byId("run-summary"), run?.summary)
    setText(byId("run-model"), run ? `${run.results ? "analysed again: " : ""}${run.model}` : "")
    for (const table of document.querySelectorAll("[data-table]")) fillTable(table, run?.tables[table.dataset.table] ?? [])
    byId("notes").replaceChildren(...(run?.notes ?? []).map((note) => {
      const line = document.createElement("p")
      line.textContent = note
      return line
    }))
    options(byId("results"), [["", run?.has_maps && !run.results ? `recorded live (${run.model})` : "as recorded"], ...(run?.analyses ?? []).map((made) => [made.id, `${made.name} · ${made.model}`])], run?.results ?? "")
    byId("results").title = byId("results").selectedOptions[0]?.text ?? ""
    bar.show(run ?? null)
    for (const side of ["a", "b"]) if (!runs[side]) panels.clear(side, told.notice || "no recording chosen")
  }

  function showJob(job) {
    const node = byId("job")
    node.classList.toggle("running", job.state === "running")
    node.classList.toggle("told", job.state === "failed" || job.state === "done")
    node.dataset.state = job.state
    const what = job.about?.name ? `${job.about.mode === "off" ? "measure" : `${job.about.mode} ${job.about.model}`} · ${job.about.name}` : ""
    const texts = { running: `${what}: ${job.said || "…"}`, failed: `■ failed: ${job.said}`, done: `✓ ${what}`, cancelled: "" }
    setText(byId("job-text"), texts[job.state])
    byId("job-text").title = `${what} ${job.said ?? ""}`
    if (job.percent >= 0 && job.percent < 100) byId("job-bar").value = job.percent
    else byId("job-bar").removeAttribute("value")
  }

  function showControl(control) {
    byId("replaying").hidden = !control
    if (!control) return
    const speed = control.speed === null ? "max" : `${control.speed} ×`
    setText(byId("replaying-state"), control.problem ? "not reached" : `${control.frame} / ${control.frames} ${control.paused ? "paused" : speed}`)
    byId("replaying").title = control.problem ?? "A running stream-rrvae replay"
    for (const node of document.querySelectorAll("[data-control]")) node.disabled = Boolean(control.problem || told.viewer)
  }

  function showStatus(given) {
    if (given.total === undefined) return
    told = given
    setText(byId("role"), told.viewer ? "viewer" : "operator")
    byId("role").title = told.viewer
    window.streamRrvaeConnection.hear()
    setText(byId("frame"), `frame ${told.frame_text}`)
    setText(byId("elapsed"), told.elapsed_text)
    bar.move(told.place, told.frame_text)
    setText(byId("play").firstElementChild, told.playing ? "❚❚ Pause" : "▶ Play")
    byId("play").setAttribute("aria-pressed", String(told.playing))
    options(byId("map-choice"), told.choices, told.choice)
    for (const [id, value] of [["contrast", told.contrast], ["speed", String(told.speed)]]) if (document.activeElement !== byId(id)) byId(id).value = value
    byId("same").checked = told.same
    byId("hold").setAttribute("aria-pressed", String(told.held))
    setText(byId("hold"), told.held ? "Locked" : "Lock")
    list.choose(told.a, told.b)
    if (!runs.a) panels.clear("a", told.notice || (told.busy && told.a ? "reading …" : "no recording chosen"))
    setText(byId("notice"), told.notice ? `▲ ${told.notice}` : told.busy ? "reading …" : "")
    Object.assign(byId("notice"), { title: told.notice }).dataset.kind = told.notice ? "minor" : "idle"
    options(byId("model"), list.models(), byId("model").value || "pretrained")
    const running = told.job.state === "running"
    for (const id of ["analyse", "mode", "model"]) {
      byId(id).disabled = Boolean(told.viewer) || running || !runs.a || (id === "model" && byId("mode").value === "off")
      byId(id).title = told.viewer || (running ? "one analysis at a time" : "")
    }
    byId("cancel").disabled = Boolean(told.viewer)
    for (const id of ["compare", "export", "link", "hold", "play", "back", "on", "to-start", "to-end"]) byId(id).disabled = !runs.a
    showJob(told.job)
    showControl(told.control)
    share()
    document.title = `${runs.a?.title ?? "Recordings"} · REPLAY`
  }

  // The address always says what is shown, so that it can be given to somebody else.
  function share() {
    const query = new URLSearchParams()
    if (told.a) query.set("run", told.a)
    if (told.results) query.set("results", told.results)
    if (told.b) query.set("compare", told.b)
    if (told.a && told.place < told.total && !told.playing) query.set("frame", String(told.place))
    if (told.probe) query.set("probe", told.probe.join(","))
    if (told.a) { query.set("map", told.choice); query.set("contrast", told.contrast) }
    if (told.b && !told.same) query.set("same", "0")
    if (told.a && told.held && told.lock) query.set("lock", told.lock)
    const address = `${location.pathname}?${query}`
    if (address !== location.pathname + location.search && told.a) history.replaceState(null, "", address)
  }

  async function copyLink() {
    try {
      await navigator.clipboard.writeText(location.href)
      setText(byId("link"), "Copied")
    } catch {
      setText(byId("link"), "Copy the address above")
    }
    setTimeout(() => setText(byId("link"), "Copy link"), 2000)
  }

  const step = (way, event) => act("step", { value: way * (event?.shiftKey ? 1 : runs.a?.columns ?? 1) })
  const seek = (place) => act("seek", { value: place })
  const playOrPause = () => act(told.playing ? "pause" : "play")

  // From the position that is shown, or the one just asked for: keys may be quicker than patterns.
  function moveProbe(y, x) {
    if (!runs.a) return
    const from = Date.now() - asked.at < 1000 ? asked.probe : panels.position("a")
    probeAt(Math.min(runs.a.rows - 1, Math.max(0, from[0] + y)), Math.min(runs.a.columns - 1, Math.max(0, from[1] + x)))
  }

  function probeAt(y, x) {
    asked = { at: Date.now(), probe: [y, x] }
    act("probe", { y, x })
  }

  const KEYS = {
    " ": playOrPause, ",": (event) => step(-1, event), ".": (event) => step(1, event), "<": () => act("step", { value: -1 }), ">": () => act("step", { value: 1 }),
    Home: () => seek(0), End: () => seek(told.total), ArrowUp: () => moveProbe(-1, 0), ArrowDown: () => moveProbe(1, 0),
    ArrowLeft: () => moveProbe(0, -1), ArrowRight: () => moveProbe(0, 1), "/": () => byId("search").focus(),
    n: () => pickNeighbour(1), p: () => pickNeighbour(-1), l: () => hold(),
  }

  const hold = () => act("hold", { value: told.held ? 0 : 1 })

  function pickNeighbour(way) {
    const id = list.neighbour(way)
    if (id) act("open", { side: "a", id })
  }

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("select, input, button")) return
    if (event.key === "Escape") { panels.enlarge(0); if (told.probe) act("follow") }
    else if (/^[1-8]$/.test(event.key)) panels.enlarge(Number(event.key))
    else if (KEYS[event.key]) KEYS[event.key](event)
    else return
    event.preventDefault()
  }

  function tap(panel, event) {
    const [side, name] = panel.split("-")
    const found = sources && panels.under(side, name, sources, event.x, event.y)
    if (found) probeAt(found.y, found.x)
  }

  function listen() {
    const on = (id, handle, kind = "click") => byId(id).addEventListener(kind, handle)
    on("play", playOrPause)
    on("back", (event) => step(-1, event))
    on("on", (event) => step(1, event))
    on("to-start", () => seek(0))
    on("to-end", () => seek(told.total))
    on("refresh", () => act("refresh"))
    on("speed", (event) => act("speed", { value: Number(event.target.value) }), "change")
    on("map-choice", (event) => act("choose", { text: event.target.value }), "change")
    on("contrast", (event) => act("contrast", { text: event.target.value }), "change")
    on("hold", hold)
    on("same", (event) => act("same", { value: Number(event.target.checked) }), "change")
    on("results", (event) => act("results", { side: "a", results: event.target.value }), "change")
    on("compare", () => { isComparing = !isComparing; byId("compare").setAttribute("aria-pressed", String(isComparing)); list.wait(isComparing) })
    on("analyse", () => act("analyse", { id: told.a, text: byId("mode").value, results: byId("model").value }))
    on("cancel", () => act("cancel"))
    on("link", copyLink)
    on("export", (event) => {
      if (event.target.value) location.assign(`recordings/export?id=${told.a}&results=${told.results}&format=${event.target.value}`)
      event.target.value = ""
    }, "change")
    for (const node of document.querySelectorAll(".close-side")) node.addEventListener("click", () => act("close", { side: "b" }))
    for (const node of document.querySelectorAll("[data-control]")) {
      const what = node.dataset.control
      node.addEventListener(node.tagName === "SELECT" ? "change" : "click", () => {
        if (what === "speed" && node.value === "") return
        act("control", { text: what, value: what === "speed" ? Number(node.value) : 0 })
        if (what === "speed") node.value = ""
      })
    }
    document.addEventListener("keydown", key)
  }

  function start(given) {
    sources = given instanceof Map ? given : new Map(Object.entries(given))
    window.streamRrvaeFigures.leaveOutOfTabOrder(sources.get("status").document)
    list.start(pick)
    bar.start(seek)
    listen()
    window.streamRrvaeConnection.watch(sources.get("status").document)
    onData("listed", list.show)
    onData("runs", showRuns)
    onData("status", showStatus)
    for (const side of ["a", "b"]) {
      onData(`maps-${side}`, (label) => painted(side, label))
      onData(`pattern-${side}`, (label) => panels.showPattern(side, label))
    }
    document.body.dataset.started = "true"
  }

  return { start, tap, point: (panel, event) => { if (sources) panels.point(panel, event, sources) } }
})()
