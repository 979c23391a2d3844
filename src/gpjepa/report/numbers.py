"""How numbers are written in the report."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

MISSING = "–"


def finite(value: Any) -> float | None:
    """Return a finite float, or None for anything that is not one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: Any) -> str:
    """Write a number with as many digits as a reader can use; a dash when there is none."""
    known = finite(value)
    if known is None:
        return MISSING
    size = abs(known)
    if size == 0:
        text = "0"
    elif size < 5e-4:
        text = f"{known:.1e}"
    elif size < 10:
        text = f"{known:.3f}"
    elif size < 1000:
        text = f"{known:.1f}"
    else:
        text = f"{known:,.0f}"
    return plain(text)


def plain(text: str) -> str:
    """Return a formatted number with a true minus sign and no padding in its exponent."""
    mantissa, separator, exponent = text.partition("e")
    text = f"{mantissa}e{int(exponent)}" if separator else mantissa
    return text.replace("-", "\N{MINUS SIGN}")


def whole(value: Any) -> str:
    """Write a count with thousands separated; a dash when there is none."""
    known = finite(value)
    return MISSING if known is None else f"{known:,.0f}"


def short(value: float) -> str:
    """Write a finite number with two significant digits or two decimals."""
    size = abs(value)
    text = f"{value:.2g}" if 0 < size < 0.1 else f"{value:.2f}" if size < 100 else f"{value:,.0f}"
    return plain(text)


def interval(low: Any, high: Any) -> str:
    """Write an interval; empty when either end is unknown."""
    ends = finite(low), finite(high)
    if ends[0] is None or ends[1] is None:
        return ""
    return f"{short(ends[0])} to {short(ends[1])}"


def rounded(value: Any, digits: int = 5) -> float | int | None:
    """Return a value at `digits` significant digits for embedding; None when not finite."""
    known = finite(float(value)) if value is not None else None
    if known is None:
        return None
    short = float(f"{known:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def rounded_all(values: Iterable[Any], digits: int = 5) -> list[float | int | None]:
    """Return the values at `digits` significant digits for embedding."""
    return [rounded(value, digits) for value in values]
