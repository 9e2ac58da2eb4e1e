"use strict"
// The wall of the control room: what the server tells once a second, and which alarms somebody has seen.
window.streamRrvaeControl = (() => {
  let sources = new Map()
  const wish = { push: 0, acknowledged: [] }
  const reply = () => { sources.get("reply").data = { push: [wish.push], acknowledged: [wish.acknowledged] } }

  function tally(states) {
    document.getElementById("tally").replaceChildren(...states.map((state) => {
      const item = document.createElement("li")
      item.dataset.kind = state.kind
      item.textContent = `${state.shape} ${state.count} ${state.word.toLowerCase()}`
      return item
    }))
  }

  function title(wall, tiles) {
    const worst = wall.states[0]
    const named = tiles.filter((tile) => tile.word === worst.word).map((tile) => tile.instrument)
    const who = named.length > 1 ? `${named.length} instruments` : named[0]
    return `${worst.shape} ${worst.word} ${who} · Control room`
  }

  function show() {
    const { wall, tiles } = JSON.parse(sources.get("told").data.text[0])
    window.streamRrvaeConnection.hear()
    tiles.forEach(window.streamRrvaeTiles.show)
    window.streamRrvaeAlarms.show(wall)
    tally(wall.states)
    Object.assign(document.getElementById("role"), { textContent: wall.role, title: wall.why_viewer })
    document.getElementById("count").textContent = wall.count === 1 ? "1 instrument" : `${wall.count} instruments`
    document.getElementById("clock").textContent = wall.clock
    if (!window.streamRrvaeConnection.isLost()) document.title = title(wall, tiles)
  }

  function showPictures() {
    const data = sources.get("pictures").data
    window.streamRrvaeTiles.showPictures(data, sources.get("palettes").data)
    wish.push = data.push[0]
    wish.acknowledged = []
    reply()
  }

  function start(given) {
    sources = given instanceof Map ? given : new Map(Object.entries(given))
    window.streamRrvaeConnection.watch(sources.get("told").document)
    window.streamRrvaeAlarms.onAcknowledge((serials) => {
      wish.acknowledged = serials
      reply()
    })
    const onData = (name, handle) => sources.get(name).on_change(sources.get(name).properties.data, handle)
    onData("told", show)
    onData("pictures", showPictures)
    show()
    showPictures()  // what came before this script was ready would never be acknowledged
    document.body.dataset.started = "true"
  }

  return { start }
})()
