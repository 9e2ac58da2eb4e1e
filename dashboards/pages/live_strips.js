"use strict"
// Strip charts of the last five minutes: frame rate, latency, missing frames.
window.streamRrvae.add((() => {
  const SPAN_S = 300
  const WIDTH = 300, HEIGHT = 30
  const UNITS = { rate: "fps", latency: "ms", missing: "" }
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, useGrouping: false })

  // From 0, and never so narrow that noise fills the chart.
  const top = (name, values) => 1.15 * Math.max(name === "missing" ? 4 : 1e-3, ...values.map((value) => value ?? 0))

  function path(ages, values, high) {
    let drawn = "", broken = true
    values.forEach((value, index) => {
      const gap = index && ages[index - 1] - ages[index] > 5
      if (value === null) { broken = true; return }
      const x = WIDTH * (1 - ages[index] / SPAN_S), y = HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, value / high)
      drawn += `${broken || gap ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`
      broken = false
    })
    return drawn
  }

  function show(told) {
    for (const strip of document.querySelectorAll("[data-strip]")) {
      const name = strip.dataset.strip, values = told[name] ?? []
      const high = top(name, values)
      strip.querySelector("path").setAttribute("d", path(told.age ?? [], values, high))
      const most = Math.max(...values.filter((value) => value !== null), 0)
      strip.querySelector(".most").textContent = values.length ? `max ${number.format(most)} ${UNITS[name]}`.trim() : "–"
    }
  }

  return { trends: show }
})())
