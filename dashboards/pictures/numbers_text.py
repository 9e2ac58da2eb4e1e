"""Numbers as operators read them: fixed decimals, thin thousands, a dash for what is not known."""

from __future__ import annotations

import math

UNKNOWN = "–"
_MINUS = "−"
_THIN = "\u202f"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float | None, decimals: int = 0) -> str:
    """`value` with `decimals` and thin spaces between thousands."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:,.{decimals}f}".replace(",", _THIN)
    return text.replace("-", _MINUS) if float(f"{value:.{decimals}f}") else text.replace("-", "")


def with_unit(value: float | None, unit: str, decimals: int = 0) -> str:
    """`value` and its unit, or the dash alone."""
    text = fixed(value, decimals)
    return text if text == UNKNOWN else f"{text}{'' if unit == '°' else _THIN}{unit}"


def seconds(value: float | None) -> str:
    """A latency: ms below one second, s above."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return with_unit(1000 * value, "ms") if value < 0.9995 else with_unit(value, "s", 1)


def duration(value: float | None) -> str:
    """m:ss, or h:mm:ss from an hour on."""
    if value is None or not math.isfinite(value) or value > 360000:
        return UNKNOWN
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def scale_end(value: float) -> str:
    """The value at the end of a colour bar, in at most nine characters."""
    if not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size and not 1e-3 <= size < 99999.5:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", _MINUS)
    decimals = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = fixed(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text
