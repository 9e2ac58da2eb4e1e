"use strict"
// Buttons of the side: freeze and steps, snapshot, the pattern's scale, arrows, the detector's rotation, panels enlarged.
window.streamRrvae.add((() => {
  const PANELS = ["magnitude", "direction", "pattern", "rotation", "chosen", "latents"]
  const by = (id) => document.getElementById(id)
  let page = null, downloaded = ""

  function freeze(frozen = !page.wish.frozen) {
    page.change({ frozen, back: 0 })
    showFreeze()
  }

  function showFreeze() {
    const { frozen, back } = page.wish
    page.toggle(by("freeze"), frozen)
    document.querySelector("#freeze span").textContent = frozen ? "Resume" : "Freeze"
    by("forward").disabled = !frozen || !back
    by("backward").disabled = frozen && back >= (page.status.steps ?? 0) && page.status.frozen === true
  }

  function step(older) {
    if (!page.wish.frozen) { if (older > 0) page.change({ frozen: true, back: 1 }) }
    else page.change({ back: Math.min(Math.max(0, page.wish.back + older), Math.max(1, page.status.steps ?? 0)) })
    showFreeze()
  }

  function enlarge(number) {
    const root = by("page"), same = root.dataset.enlarged === String(number)
    const wanted = same ? 0 : number
    document.querySelectorAll(".panel").forEach((panel, index) => panel.classList.toggle("enlarged", index + 1 === wanted))
    if (wanted) root.dataset.enlarged = String(wanted)
    else delete root.dataset.enlarged
    page.change({ enlarged: wanted ? PANELS[wanted - 1] : "" })
  }

  function offerChoices(choices) {
    const select = by("choice")
    const all = page.wish.ring ? [...choices, ["virtual_detector", "Virtual detector"]] : choices
    const names = all.map(([name]) => name).join()
    if (choices.length && select.dataset.names !== names) {
      select.dataset.names = names
      select.replaceChildren(...all.map(([name, title]) => new Option(title, name)))
    }
    if (select.value !== page.wish.map && document.activeElement !== select) {
      select.value = page.wish.map
      if (select.selectedIndex < 0 && choices.length) { select.selectedIndex = 0; page.change({ map: select.value }) }
    }
  }

  function showRotation({ rotation = {}, viewer, unanswerable }) {
    const no = viewer || unanswerable
    for (const node of document.querySelectorAll("#turned input, #turned button")) node.disabled = Boolean(no)
    for (const node of document.querySelectorAll("#turned .set")) node.disabled = Boolean(no) || rotation.locked
    by("turned").title = no || (rotation.locked ? "locked" : "how the detector is turned against the scan")
    page.toggle(by("rotation-lock"), Boolean(rotation.locked))
    showFound(rotation.found)
    if (!by("turned").contains(document.activeElement)) {
      by("degrees").value = rotation.degrees ?? ""
      by("flip").checked = Boolean(rotation.flip)
    }
  }

  function showFound(found) {
    by("rotation-found").hidden = !found
    by("rotation-found").textContent = found?.text ?? ""
  }

  function setRotation() {
    if (by("degrees").value !== "") page.order("set_rotation", { degrees: Number(by("degrees").value), flip: by("flip").checked })
  }

  function fetchFile(path) {
    if (!path || path === downloaded) return
    downloaded = path
    const link = document.createElement("a")
    link.href = path
    link.download = ""
    link.click()
    by("snapshot").dataset.done = path
  }

  function listen() {
    const click = (id, what) => by(id).addEventListener("click", what)
    click("freeze", () => freeze())
    click("backward", () => step(1))
    click("forward", () => step(-1))
    click("snapshot", () => page.order("snapshot"))
    click("scale-switch", () => { page.change({ linear: !page.wish.linear }); page.toggle(by("scale-switch"), page.wish.linear) })
    by("average").addEventListener("change", (event) => { page.change({ average: event.target.value }); by("restart").hidden = event.target.value !== "scan" })
    click("restart", () => page.change({ restarts: page.wish.restarts + 1 }))
    click("arrows", () => { page.change({ arrows: !page.wish.arrows }); page.toggle(by("arrows"), page.wish.arrows) })
    click("rotation-set", setRotation)
    click("rotation-found", () => { const { degrees, flip } = page.status.rotation.found; page.order("set_rotation", { degrees, flip }) })
    click("rotation-lock", () => page.order(page.status.rotation?.locked ? "unlock_rotation" : "lock_rotation"))
    by("degrees").addEventListener("keydown", (event) => { if (event.key === "Enter") setRotation() })
    by("choice").addEventListener("change", (event) => page.change({ map: event.target.value }))
  }

  return {
    start(given) { page = given; Object.assign(page, { freeze, enlarge, back: step, snapshot: () => page.order("snapshot") }); listen(); showFreeze() },
    status(told) { offerChoices(told.choices ?? []); showRotation(told); fetchFile(told.download); showFreeze(); by("notice").textContent = told.notice ?? "" },
    doubled(panel) { enlarge(PANELS.indexOf(panel) + 1); return true },
  }
})())
