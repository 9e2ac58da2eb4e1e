"use strict"
// The one state that no server can show: that it is gone. Also reloads once it is back.
window.streamRrvaeConnection = (() => {
  const SILENCE_MS = 4000
  const FIRST_RETRY_MS = 1000
  const LAST_RETRY_MS = 15000
  let heard = Date.now()
  let lost = false

  const text = (id, value) => { document.getElementById(id).textContent = value }
  const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false, timeZoneName: "short" })

  async function isBack() {
    try {
      return (await fetch("livez", { cache: "no-store", signal: AbortSignal.timeout(3000) })).ok
    } catch {
      return false
    }
  }

  async function retry(waitMs) {
    text("lost-next", `Trying again every ${Math.round(waitMs / 1000)} s; this page reloads by itself.`)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (await isBack()) location.reload()
    else retry(Math.min(2 * waitMs, LAST_RETRY_MS))
  }

  function declareLost() {
    if (lost) return
    lost = true
    document.getElementById("page").classList.add("gone")
    document.title = `◆ DISCONNECTED · ${document.title}`
    text("lost-text", `No word from the dashboard server. Values are frozen at ${clock(heard)}.`)
    document.getElementById("lost").hidden = false
    retry(FIRST_RETRY_MS)
  }

  function watch(doc) {
    doc.on_event("connection_lost", declareLost)
    setInterval(() => { if (Date.now() - heard > SILENCE_MS) declareLost() }, 500)
    heard = Date.now()
  }

  return { watch, lose: declareLost, hear() { if (!lost) heard = Date.now() }, isLost: () => lost }
})()
