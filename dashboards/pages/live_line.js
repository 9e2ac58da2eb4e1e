"use strict"
// The line beside Bokeh's own: columns come as one binary message, which fills the page's sources; back goes what was painted.
window.streamRrvaeLine = (() => {
  const text = new TextDecoder()
  let socket = null, count = 0

  // What the text says of an array stands for it: where it begins, its dtype and its shape.
  function arrayOf(told, buffer, begin) {
    const { ndarray } = Bokeh.require("core/util/ndarray")
    const bytes = told.shape.reduce((product, side) => product * side, Number(told.dtype.match(/\d+/)[0]) / 8)
    return ndarray(buffer.slice(begin + told.at, begin + told.at + bytes), told)
  }

  function columnsOf(told, buffer, begin) {
    const isArray = (value) => value !== null && typeof value === "object" && "at" in value
    const one = (value) => isArray(value) ? arrayOf(value, buffer, begin) : value
    return Object.fromEntries(Object.entries(told).map(([name, values]) => [name, Array.isArray(values) ? values.map(one) : one(values)]))
  }

  function take(buffer, sources) {
    const length = new DataView(buffer).getUint32(0, true), begin = 4 + length
    const told = JSON.parse(text.decode(new Uint8Array(buffer, 4, length)))
    for (const [name, columns] of Object.entries(told.sources)) sources.get(name).data = columnsOf(columns, buffer, begin)
    // After the next frame has been drawn, and the drawing itself has ended.
    if (told.number) requestAnimationFrame(() => setTimeout(() => painted(told.number), 0))
  }

  function painted(number) {
    count += 1
    document.body.dataset.painted = String(count)
    if (socket.readyState === WebSocket.OPEN) socket.send(String(number))
  }

  function open(sources, lost) {
    const { line, token } = document.getElementById("page").dataset
    const url = new URL(line, location.href)
    url.protocol = url.protocol.replace("http", "ws")
    socket = new WebSocket(url, ["bokeh", token])
    socket.binaryType = "arraybuffer"
    socket.addEventListener("message", (event) => take(event.data, sources))
    socket.addEventListener("close", lost)
  }

  return { open }
})()
