"""Data inside a page: JSON that no gene name can break out of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

# Inside <script> only these can end the element or, in old engines, a line of JavaScript.
ESCAPES: Mapping[str, str] = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\N{LINE SEPARATOR}": "\\u2028",
    "\N{PARAGRAPH SEPARATOR}": "\\u2029",
}


def safe_json(document: Any) -> Markup:
    """Return compact JSON that may stand inside a script element; NaN is refused."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # escaped above
