"""A plan that several processes share: one searches, all of them run the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor, distributed

from gpjepa.api.plan_setup import Setup
from gpjepa.core.errors import ProcessError, first_line
from gpjepa.core.ranks import ALONE, Ranks, started_by
from gpjepa.planning.origin import Origin
from gpjepa.planning.runs import Read, joined, parts, read, run
from gpjepa.training.processes import gathered, told

Answer = TypeVar("Answer")
Part = Int[Tensor, "S K"]


def planned_together(setup: Setup, work: Callable[[Setup], Answer]) -> Answer:
    """Return what `work` makes of a plan on the first process; the others run for it.

    Every process returns the same; `work` alone may write. The model is run in the parts in
    which one process runs it, so the answer is that of one process. Raises `ProcessError` on the
    others where the first one ends with an error.
    """
    ranks = _ranks()
    if ranks.size == 1:
        return work(setup)
    if not ranks.first:
        return _served(setup.origin, ranks)
    setup.shifts.runs = _Shared(ranks)
    try:
        answer = work(setup)
    except ProcessError:
        raise
    except BaseException as error:
        told(_Failed(f"{type(error).__name__}: {first_line(error)[:200]}"))
        raise
    finally:
        setup.shifts.runs = run
    told(_Done(answer))
    return answer


def _ranks() -> Ranks:
    """Return which process this is of those that are joined."""
    there = distributed.is_available() and distributed.is_initialized()
    return started_by()[1] if there else ALONE


class _Done:
    """The first process's answer, which ends the others' service."""

    def __init__(self, answer: object) -> None:
        self.answer = answer


class _Failed:
    """What the first process ended with."""

    def __init__(self, said: str) -> None:
        self.said = said


class _Shared:
    """Runs that each process has a share of, in whole parts."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def __call__(self, origin: Origin, several: Sequence[Part]) -> list[Read]:
        """Return what each lot gives; few parts are not worth a word to the others."""
        lots = [list(parts(origin, members)) for members in several]
        every = [part for lot in lots for part in lot]
        if len(every) < 2:
            return run(origin, several)
        found = gathered(_own(origin, told([part.cpu() for part in every]), self.ranks))
        device = origin.start.device
        made = (Read(*(each.to(device) for each in one)) for one in chain.from_iterable(found))
        return [joined(origin, [next(made) for _ in lot]) for lot in lots]


def _own(origin: Origin, every: Sequence[Part], ranks: Ranks) -> list[Read]:
    """Run this process's share of the parts."""
    device = origin.start.device
    mine = every[ranks.rows(len(every)).here]
    found = [read(origin, part.to(device)) for part in mine]
    return [Read(*(each.cpu() for each in one)) for one in found]


@torch.no_grad()
def _served(origin: Origin, ranks: Ranks) -> Any:
    """Run what the first process asks for until it is done, and return its answer."""
    while True:
        word = told()
        if isinstance(word, _Done):
            return word.answer
        if isinstance(word, _Failed):
            raise ProcessError(
                f"the first process ended with {word.said}; expected it to plan to the end; mend "
                "what it says"
            )
        gathered(_own(origin, word, ranks))
