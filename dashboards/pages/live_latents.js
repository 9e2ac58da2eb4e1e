"use strict"
// Latent space: which latents, and a lasso whose positions are outlined in the maps.
window.streamRrvae.add((() => {
  const CORNERS = 64
  let page = null, names = ""

  function lasso(event) {
    const geometry = event.geometry
    if (geometry?.type !== "poly" || geometry.x.length < 3) return
    const step = Math.ceil(geometry.x.length / CORNERS)
    const corners = []
    for (let i = 0; i < geometry.x.length; i += step) corners.push([geometry.x[i], geometry.y[i]])
    show(corners)
  }

  function show(corners) {
    page.sources.get("lasso").data = { x: corners.map(([x]) => x), y: corners.map(([, y]) => y) }
    page.change({ lasso: corners })
  }

  function offer(latents) {
    const wanted = latents.map(([name]) => name).join()
    document.getElementById("latent-axes").hidden = latents.length < 3
    if (names === wanted) return
    names = wanted
    for (const [index, id] of ["latent-x", "latent-y"].entries()) {
      const select = document.getElementById(id)
      select.replaceChildren(...latents.map(([name, title]) => new Option(title.replace("Latent ", ""), name, false, name === page.wish.latents[index])))
    }
  }

  return {
    start(given) {
      page = given
      page.clearLasso = () => { if (page.wish.lasso.length) show([]) }
      for (const id of ["latent-x", "latent-y"]) {
        document.getElementById(id).addEventListener("change", () => {
          show([])
          page.change({ latents: ["latent-x", "latent-y"].map((each) => document.getElementById(each).value) })
        })
      }
    },
    status(told) { offer((told.choices ?? []).filter(([name]) => name.startsWith("latent_"))) },
    modelled(told) { document.getElementById("selected").textContent = told.selected && `${told.selected} selected · Esc clears` },
    lasso,
  }
})())
