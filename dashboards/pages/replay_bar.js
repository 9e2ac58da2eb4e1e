"use strict"
// The time bar: how far the scan had got, missing positions hatched, damaged frames marked; click or drag to go there.
window.streamRrvaeReplayBar = (() => {
  const KINDS = { 1: ["┆", "copy", "#8b96a4"], 2: ["▼", "outside the scan", "#8b96a4"], 4: ["▲", "damaged", "#f2b544"] }
  let run = null
  let place = 0
  let seek = () => {}
  let dragging = false
  const bar = () => document.getElementById("bar")

  function hatch(context) {
    const tile = document.createElement("canvas")
    tile.width = tile.height = 8
    const inside = tile.getContext("2d")
    inside.fillStyle = "#2a323d"
    inside.fillRect(0, 0, 8, 8)
    inside.strokeStyle = "#8b96a4"
    inside.lineWidth = 2
    inside.beginPath()
    for (const from of [-8, 0, 8]) { inside.moveTo(from, 8); inside.lineTo(from + 8, 0) }
    inside.stroke()
    return context.createPattern(tile, "repeat")
  }

  function draw() {
    const canvas = bar().firstElementChild
    const scale = devicePixelRatio || 1
    const width = bar().clientWidth
    const height = bar().clientHeight
    canvas.width = Math.round(width * scale)
    canvas.height = Math.round(height * scale)
    const context = canvas.getContext("2d")
    context.scale(scale, scale)
    const top = 10
    const bottom = height - 8
    context.fillStyle = "#212832"
    context.fillRect(0, top, width, bottom - top)
    if (!run) return
    const x = (at) => (at / run.total) * width
    context.fillStyle = "#4a6684"
    context.fillRect(0, top, x(place), bottom - top)
    context.fillStyle = hatch(context)
    for (const [first, last] of run.gaps) context.fillRect(x(first), top, Math.max(2, x(last) - x(first)), bottom - top)
    for (const [at, flag] of run.marks) {
      const kind = [4, 2, 1].find((bit) => flag & bit)
      context.fillStyle = KINDS[kind]?.[2] ?? "#8b96a4"
      context.beginPath()
      context.moveTo(x(at), 1)
      context.lineTo(x(at) + 4, 8)
      context.lineTo(x(at) - 4, 8)
      context.fill()
    }
    context.fillStyle = "#dbe2ea"
    context.fillRect(Math.min(width - 2, Math.max(0, x(place) - 1)), top - 4, 2, bottom - top + 8)
  }

  function at(event) {
    const box = bar().getBoundingClientRect()
    return Math.round(Math.min(1, Math.max(0, (event.clientX - box.x) / box.width)) * run.total)
  }

  function tip(event) {
    const node = document.getElementById("bar-tip")
    node.hidden = !run
    if (!run) return
    const there = at(event)
    const gap = run.gaps.find(([first, last]) => there >= first && there < last)
    const near = run.marks.filter(([mark]) => Math.abs(mark - there) <= run.total / bar().clientWidth * 4)
    const texts = [`frame ${there}`]
    if (gap) texts.push(`${gap[1] - gap[0]} missing`)
    if (near.length) texts.push(`${near.length} ${KINDS[[4, 2, 1].find((bit) => near[0][1] & bit)]?.[1] ?? "marked"}`)
    node.textContent = texts.join(" · ")
    const box = bar().getBoundingClientRect()
    node.style.left = `${Math.min(box.width - 60, Math.max(60, event.clientX - box.x))}px`
  }

  function legend() {
    const node = document.getElementById("legend")
    const parts = []
    const add = (className, text) => {
      const span = document.createElement("span")
      span.className = className
      span.textContent = text
      parts.push(span)
    }
    if (run?.gaps.length) { add("hatch", ""); add("", "missing frames") }
    if (run?.marks.some(([, flag]) => flag & 4)) { add("mark", "▲"); add("", "damaged") }
    if (run?.marks.some(([, flag]) => flag & 3)) { add("mark", "▲"); parts.at(-1).style.color = "#8b96a4"; add("", "copies or outside") }
    if (run?.marks_left_out) add("", `  ${run.marks_left_out} more marks`)
    node.replaceChildren(...parts)
  }

  function show(given) {
    run = given
    legend()
    bar().setAttribute("aria-valuemax", String(run?.total ?? 0))
    draw()
  }

  function move(to, text) {
    if (to === place && bar().getAttribute("aria-valuetext") === text) return
    place = to
    bar().setAttribute("aria-valuenow", String(to))
    bar().setAttribute("aria-valuetext", text)
    draw()
  }

  function start(onSeek) {
    seek = onSeek
    const node = bar()
    node.addEventListener("pointerdown", (event) => {
      if (!run) return
      dragging = true
      node.setPointerCapture(event.pointerId)
      seek(at(event))
    })
    node.addEventListener("pointermove", (event) => { tip(event); if (dragging) seek(at(event)) })
    node.addEventListener("pointerup", () => { dragging = false })
    node.addEventListener("pointerleave", () => { document.getElementById("bar-tip").hidden = true })
    new ResizeObserver(draw).observe(node)
    draw()
  }

  return { start, show, move }
})()
