from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gpjepa.api.plan import answer
from gpjepa.api.plan_document import document_of, points, said
from gpjepa.api.plan_search import search
from gpjepa.planning.objective import TracePoint


@pytest.fixture(scope="module")
def result(setup, found, data):
    return answer(setup, found, data.perturbations)


def test_a_plan_is_one_document_of_plain_json(setup, found, result) -> None:
    other = search(replace(setup, search=replace(setup.search, planner="greedy", budget=15)))
    document = document_of(setup, result, [found, other], "gpjepa plan run")
    read = json.loads(json.dumps(document, allow_nan=False))
    assert read == document
    assert [row["set"] for row in read["table"]] == result.table["set"].tolist()
    assert [row["planner"] for row in read["comparison"]] == ["exhaustive", "greedy"]
    assert set(read["traces"]) == {"exhaustive", "greedy"}
    assert read["goal"] == {"kind": "condition", "name": "C+D", "cells": 12}
    assert (read["evaluations"], read["sets"]) == (21, 21)
    assert read["settings"]["cells"] == 16
    assert read["constraints"]["first_candidates"] == list("ABCDEF")


def test_it_says_what_the_sum_would_have_chosen(result) -> None:
    best = result.table["set"].iloc[0]
    same = replace(result, additive={"set": best, "rank": 1})
    assert "the same set" in said(same)
    assert "rank 7 in the search" in said(replace(result, additive={"set": "Z", "rank": 7}))
    assert "not among the sets" in said(replace(result, additive={"set": "Z", "rank": None}))


def test_a_trace_keeps_its_ends_and_every_improvement(found) -> None:
    rows = [TracePoint("p", at, spent, energy, 0.0) for at, (spent, energy) in enumerate(
        [(1, np.inf), (5, 3.0), (9, 3.0), (12, 2.0), (20, 2.0), (30, 2.0)])]  # fmt: skip

    class Told:
        trace = rows

    kept = points(replace(found, ledger=Told()))  # type: ignore[arg-type]
    assert kept == [[5.0, 3.0], [12.0, 2.0], [30.0, 2.0]]
