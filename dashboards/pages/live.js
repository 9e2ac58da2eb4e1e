"use strict"
// Ties the page to its Bokeh sources: paints what comes, says what was painted, sends what the operator chose.
window.streamRrvae = (() => {
  const wish = { push: 0, map: "latent_1", frozen: false }
  const panels = window.streamRrvaePanels
  let sources = null

  const reply = () => {
    sources.get("reply").data = { push: [wish.push], map: [wish.map], frozen: [wish.frozen] }
  }
  const onData = (name, handle) => {
    const source = sources.get(name)
    const changed = () => handle(JSON.parse((source.data.labels ?? source.data.text)[0]))
    source.on_change(source.properties.data, changed)
    changed()
  }

  function painted(told) {
    if (!told.push) return
    panels.showMeasured(told)
    // After the next frame has been drawn, and the drawing itself has ended.
    requestAnimationFrame(() => setTimeout(() => { wish.push = told.push; reply() }, 0))
  }

  function heardStatus(told) {
    if (!told.word) return
    window.streamRrvaeConnection.hear()
    window.streamRrvaeStatus.show(told)
    panels.showAxes(told.axes)
    offerChoices(told.choices ?? [])
  }

  function offerChoices(choices) {
    const select = document.getElementById("choice")
    const names = choices.map(([name]) => name).join()
    if (!choices.length || select.dataset.names === names) return
    select.dataset.names = names
    select.replaceChildren(...choices.map(([name, title]) => new Option(title, name, false, name === wish.map)))
    if (select.selectedIndex < 0) select.selectedIndex = 0
    choose(select.value)
  }

  function choose(name) {
    if (wish.map === name) return
    wish.map = name
    reply()
  }

  function freeze() {
    wish.frozen = !wish.frozen
    document.getElementById("freeze").setAttribute("aria-pressed", String(wish.frozen))
    document.querySelector("#freeze span").textContent = wish.frozen ? "Resume" : "Freeze"
    reply()
  }

  function enlarge(number) {
    const page = document.getElementById("page")
    document.querySelectorAll(".panel").forEach((panel, index) => panel.classList.toggle("enlarged", index + 1 === number))
    if (number) page.dataset.enlarged = String(number)
    else delete page.dataset.enlarged
  }

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("select, input, button")) return
    if (event.key === " ") freeze()
    else if (event.key === "Escape") enlarge(0)
    else if (/^[1-6]$/.test(event.key)) enlarge(Number(event.key))
    else return
    event.preventDefault()
  }

  function start(given) {
    sources = given instanceof Map ? given : new Map(Object.entries(given))
    window.streamRrvaeConnection.watch(sources.get("status").document)
    onData("status", heardStatus)
    onData("measured", painted)
    onData("modelled", (told) => { if (told.scatter) panels.showModel(told) })
    document.getElementById("choice").addEventListener("change", (event) => choose(event.target.value))
    document.getElementById("freeze").addEventListener("click", freeze)
    document.addEventListener("keydown", key)
    document.body.dataset.started = "true"
  }

  return { start, point: (panel, event) => { if (sources) panels.point(panel, event, sources) } }
})()
