"use strict"
// One tile of the wall: texts go in as text, pictures as palette indices onto a canvas.
window.streamRrvaeTiles = (() => {
  const tileAt = (place) => document.querySelector(`[data-tile="${place}"]`)
  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text }

  function setLong(node, text) {
    setText(node, text)
    node.title = text
  }

  function showTrend(tile, rates) {
    const highest = Math.max(...rates, 1e-9)
    const step = 100 / 59
    const begin = 100 - step * (rates.length - 1)
    const points = rates.map((rate, i) => `${(begin + i * step).toFixed(1)},${(23 - 22 * (rate / highest)).toFixed(1)}`)
    tile.querySelector("path").setAttribute("d", points.length > 1 ? `M${points.join("L")}` : "")
  }

  function show(told) {
    const tile = tileAt(told.place)
    tile.dataset.kind = told.kind
    tile.classList.toggle("stale", told.stale)
    setLong(tile.querySelector(".instrument"), told.instrument)
    setText(tile.querySelector(".state"), `${told.shape} ${told.word}`)
    const isWrong = ["minor", "major", "invalid"].includes(told.kind)
    setLong(tile.querySelector(".scan"), (isWrong && told.reason) || told.scan || told.reason || "–")
    setText(tile.querySelector(".percent"), told.percent ?? "")
    tile.querySelector(".progress span").style.width = `${100 * (told.fraction ?? 0)}%`
    for (const fact of tile.querySelectorAll("[data-fact]")) setText(fact, told.numbers[fact.dataset.fact] ?? "–")
    tile.querySelector("[data-fact=missing]").parentElement.classList.toggle("wrong", !["0", "–", null].includes(told.numbers.missing ?? null))
    showLast(tile, told)
    showTrend(tile, told.trend)
    setText(tile.querySelector(".pattern ~ .caption"), told.seen > 1 ? `mean of ${told.seen}, log counts` : "log counts")
    for (const [index, end] of ["low", "high"].entries()) setText(tile.querySelector(`.picture .${end}`), told.ends[index])
    tile.querySelector(".direction").dataset.aspect = String(told.aspect)
  }

  function showLast(tile, told) {
    const last = tile.querySelector(".last")
    if (!last.firstChild) last.append(document.createElement("span"))
    setText(last.firstChild, told.last ? `last good ${told.last}` : "no sign of life yet")
  }

  function paint(canvas, image, colours) {
    const [rows, columns] = image.shape
    const hasData = image.some((level) => level)
    canvas.parentElement.classList.toggle("has-data", hasData)
    if (!hasData) return
    if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows })
    const context = canvas.getContext("2d")
    const pixels = context.createImageData(columns, rows)
    const from = new Uint32Array(colours.buffer, colours.byteOffset, 256)
    const to = new Uint32Array(pixels.data.buffer)
    for (let i = 0; i < to.length; i++) to[i] = from[image[i]]
    context.putImageData(pixels, 0, 0)
    const aspect = Number(canvas.dataset.aspect) || columns / rows
    canvas.style.width = aspect >= 1 ? "100%" : `${100 * aspect}%`
    canvas.style.height = aspect <= 1 ? "100%" : `${100 / aspect}%`
  }

  function showPictures(data, palettes) {
    for (let i = 0; i < data.push.length; i++) {
      for (const name of ["direction", "pattern"]) {
        paint(tileAt(i + 1).querySelector(`.${name}`), data[name][i], palettes[name][0])
      }
    }
  }

  return { show, showPictures }
})()
