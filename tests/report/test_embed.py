from __future__ import annotations

import json

import pytest

from gpjepa.report.embed import safe_json

HOSTILE = "</script><!--<script>&\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}'\""


def test_what_is_embedded_cannot_close_the_script_and_reads_back_the_same() -> None:
    text = safe_json({HOSTILE: [HOSTILE, 1.5, None]})
    assert not set(text) & {"<", ">", "&", "\N{LINE SEPARATOR}", "\N{PARAGRAPH SEPARATOR}"}
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5, None]}


def test_not_a_number_is_refused_because_browsers_cannot_read_it() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        safe_json([float("nan")])
