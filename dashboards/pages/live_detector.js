"use strict"
// A virtual detector on the pattern: drag its edges to size it, its inside to move it, or say radii by number.
window.streamRrvae.add((() => {
  const GRIP = 0.25  // of a radius: how near to an edge a drag takes hold of it
  const DRAG_MS = 100  // between two rings that are told while one is dragged; the service answers the newest
  let page = null, held = null, drawn = "", tells = 0

  const field = (id) => document.getElementById(id)
  const toPage = (ring) => {
    const { scale, centre_ky: ky, centre_kx: kx } = page.labels.geometry
    return { x: (ring.center_kx - kx) * scale, y: (ring.center_ky - ky) * scale, inner: ring.inner * scale, outer: ring.outer * scale }
  }

  function draw() {
    const ring = page.labels.geometry && page.wish.ring
    const at = ring && toPage(ring)
    const radii = !ring ? [] : ring.inner > 0 ? [at.inner, at.outer] : [at.outer]
    const wanted = { x: radii.map(() => at.x), y: radii.map(() => at.y), radius: radii }
    const text = JSON.stringify(wanted)
    if (text === drawn) return
    drawn = text
    page.sources.get("rings").data = wanted
  }

  function showNumbers() {
    const { scale, unit } = page.labels.geometry ?? { scale: 1, unit: "px" }
    const ring = page.wish.ring
    for (const end of ["inner", "outer"]) {
      if (document.activeElement !== field(`ring-${end}`)) field(`ring-${end}`).value = ring ? (ring[end] * scale).toFixed(1) : ""
    }
    document.getElementById("ring-unit").textContent = unit
    for (const button of document.querySelectorAll("[data-ring]")) {
      const kind = !ring ? "off" : ring.inner > 0 ? "annulus" : "disc"
      page.toggle(button, button.dataset.ring === kind)
    }
  }

  function set(ring, sends = true) {
    if (ring && !(ring.outer > ring.inner)) return
    if (sends) page.change({ ring, map: ring ? "virtual_detector" : page.wish.map === "virtual_detector" ? "latent_1" : page.wish.map })
    else page.wish.ring = ring
    draw()
    showNumbers()
  }

  function tellSoon() {
    tells ||= setTimeout(() => { tells = 0; if (held) set(page.wish.ring) }, DRAG_MS)
  }

  function choose(kind) {
    const geometry = page.labels.geometry
    if (!geometry || refused()) return
    const centre = { center_ky: geometry.centre_ky, center_kx: geometry.centre_kx }
    if (kind === "off") set(null)
    else if (kind === "disc") set({ ...centre, inner: 0, outer: geometry.disc_px })
    else set({ ...centre, inner: 1.15 * geometry.disc_px, outer: 2 * geometry.disc_px })
  }

  function fromNumbers() {
    const ring = page.wish.ring, scale = page.labels.geometry?.scale
    if (!ring || !scale || refused()) return
    const [inner, outer] = ["inner", "outer"].map((end) => Number(field(`ring-${end}`).value) / scale)
    if (inner >= 0 && outer > inner) set({ ...ring, inner, outer })
  }

  const refused = () => Boolean(page.status.viewer || page.status.unanswerable)

  function take(event) {
    const at = toPage(page.wish.ring)
    const distance = Math.hypot(event.x - at.x, event.y - at.y)
    const near = (radius) => Math.abs(distance - radius) < GRIP * Math.max(radius, 0.3 * at.outer)
    const edges = ["outer", "inner"].filter((end) => at[end] > 0 && near(at[end]))
    const edge = edges.sort((a, b) => Math.abs(distance - at[a]) - Math.abs(distance - at[b]))[0]
    if (!edge && distance > at.outer) return null
    return { edge: edge ?? "middle", from: { x: event.x, y: event.y }, ring: { ...page.wish.ring } }
  }

  function dragTo(event) {
    const { scale } = page.labels.geometry, ring = { ...held.ring }, at = toPage(held.ring)
    if (held.edge === "middle") {
      ring.center_kx += (event.x - held.from.x) / scale
      ring.center_ky += (event.y - held.from.y) / scale
    } else ring[held.edge] = Math.hypot(event.x - at.x, event.y - at.y) / scale
    return ring
  }

  return {
    start(given) {
      page = given
      for (const button of document.querySelectorAll("[data-ring]")) button.addEventListener("click", () => choose(button.dataset.ring))
      for (const end of ["inner", "outer"]) field(`ring-${end}`).addEventListener("change", fromNumbers)
    },
    measured() { if (!held) { draw(); showNumbers() } },
    status() {
      for (const node of document.querySelectorAll("#detector button, #detector input")) node.disabled = refused()
      document.getElementById("detector").title = page.status.viewer || page.status.unanswerable || "drag the rings on the pattern"
    },
    drag(name, event) {
      if (!page.wish.ring || !page.labels.geometry || refused()) return
      if (name === "panstart") held = take(event)
      if (!held) return
      if (name !== "panstart") set(dragTo(event), name === "panend")
      if (name === "pan") tellSoon()
      if (name === "panend") held = null
    },
  }
})())
