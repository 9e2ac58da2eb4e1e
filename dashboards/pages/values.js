"use strict"
// What the colour of a pixel says: the colours carry 254 steps between the limits, and the value is that exact and no more.
window.streamRrvaeValues = (() => {
  function value(level, scale, absent) {
    if (!level) return absent
    if (level === scale.saturated_level) return "saturated"
    if (scale.unit === "deg") return `${Math.round(((level - 1) / 255) * 360 - 180)}°`
    const fraction = (level - 1) / 254
    const number = scale.log ? scale.low * (scale.high / scale.low) ** fraction : scale.low + fraction * (scale.high - scale.low)
    return `${Number(number.toPrecision(3))} ${scale.unit}`.replace("-", "−").trim()
  }

  return { value }
})()
