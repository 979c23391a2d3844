from __future__ import annotations

from pathlib import Path

from gpjepa.cli.plan_options import GoalOptions, SearchOptions, SetOptions


def test_options_that_are_left_out_ask_for_what_the_python_call_does() -> None:
    import inspect

    from gpjepa.api.plan import virtual_screen_perturbations

    asked = SetOptions().request().constraints()
    search = SearchOptions().search(0, SetOptions())
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(virtual_screen_perturbations).parameters.items()
    }
    for name in ("max_size", "min_size", "candidates", "cost", "most_cost"):
        assert getattr(asked, name) == defaults[name], name
    assert list(asked.forbidden) == list(asked.required) == list(asked.essential) == []
    told = search.to_json()
    assert told == {name: defaults[name] for name in told}


def test_the_ends_of_a_direction_and_the_start_are_passed_on() -> None:
    request = GoalOptions(
        away_from="A", towards="B", start=Path("s.h5ad"), context="K562"
    ).request()
    assert (request.away_from, request.towards) == ("A", "B")
    assert (request.start, request.context) == (Path("s.h5ad"), "K562")


def test_forbidden_genes_and_pairs_are_one_list() -> None:
    request = SetOptions(forbid=["A"], forbid_pair=["B+C"]).request()
    assert request.forbidden == ("A", "B+C")
