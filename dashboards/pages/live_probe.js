"use strict"
// The crosshair that all maps share: a tap pins it, arrow keys step it, and the pattern is that position's.
window.streamRrvae.add((() => {
  let page = null
  const DOUBLE_MS = 500
  let before = null  // what was pinned before the latest tap, which may turn out to be half of a double click
  let tapped = 0

  const box = () => {
    const data = page.sources.get("measured").data
    return ["map_x", "map_y", "map_w", "map_h"].map((name) => data[name][0])
  }

  function place(position) {
    const [rows, columns] = page.labels.scan_shape ?? [0, 0]
    const [left, top, width, height] = box()
    const at = position && rows ? [left + (position[1] + 0.5) * width / columns, top + (position[0] + 0.5) * height / rows] : [NaN, NaN]
    const source = page.sources.get("crosshair")
    if (Object.is(source.data.x[0], at[0]) && Object.is(source.data.y[0], at[1])) return
    source.data = { x: [at[0]], y: [at[1]] }
  }

  function pin(position) {
    page.change({ pinned: position })
    place(position)
    showBadge(page.labels)
  }

  function showBadge(told) {
    const pinned = page.wish.pinned
    const badge = document.getElementById("pinned")
    badge.hidden = !pinned
    if (!pinned) return
    const nearest = told.at && told.pinned && (told.at[0] !== pinned[0] || told.at[1] !== pinned[1])
    badge.textContent = nearest ? "pinned · nearest kept" : told.at && told.pinned ? "pinned" : "pinned · asking"
  }

  function step(down, right) {
    const [rows, columns] = page.labels.scan_shape ?? [0, 0]
    const from = page.wish.pinned ?? page.labels.at
    if (!rows || !from) return
    const within = (value, limit) => Math.min(Math.max(value, 0), limit - 1)
    pin([within(from[0] + down, rows), within(from[1] + right, columns)])
  }

  return {
    start(given) { page = given; page.step = step; page.pin = pin },
    measured(told) {
      if (page.wish.pinned && told.pinned) place(told.at ?? page.wish.pinned)
      showBadge(told)
    },
    tap(panel, event) {
      const [rows, columns] = page.labels.scan_shape ?? [0, 0]
      const [left, top, width, height] = box()
      const row = Math.floor(((event.y - top) / height) * rows), column = Math.floor(((event.x - left) / width) * columns)
      if (!rows || row < 0 || column < 0 || row >= rows || column >= columns) return
      if (Date.now() - tapped > DOUBLE_MS) before = page.wish.pinned
      tapped = Date.now()
      pin([row, column])
    },
    doubled(panel) {
      if (panel === "pattern" || panel === "latents") return
      pin(before)
    },
  }
})())
