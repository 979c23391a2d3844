"""Constraints on sets that are out of range, contradict each other or leave nothing to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpjepa.core.errors import ConfigError, listed

if TYPE_CHECKING:
    from gpjepa.planning.space import Space


def refuse_contradictions(space: Space) -> None:
    """Raise `ConfigError` for the first constraint that cannot be kept, naming what it is on."""
    for check in (_names, _sizes, _required, _apart, _cost, _something_left):
        found = check(space)
        if found is not None:
            raise ConfigError(found)


def _names(space: Space) -> str | None:
    names = space.names
    if not names:
        return "there are no candidates; expected one or more; allow some perturbations"
    if len(set(names)) < len(names):
        again = sorted({name for name in names if names.count(name) > 1})
        return f"candidates occur twice ({listed(again)}); expected each once; drop repetitions"
    return None


def _sizes(space: Space) -> str | None:
    most, least, count = space.max_size, space.min_size, space.candidates
    if not 1 <= least <= most:
        return (
            f"sizes are {least} to {most}; expected 1 or more, the largest no smaller than the "
            "smallest; change max_size or min_size"
        )
    if most > count:
        return (
            f"max_size is {most} with {count} candidates ({listed(space.names)}); expected at "
            f"most {count}; lower max_size or allow more candidates"
        )
    return None


def _required(space: Space) -> str | None:
    required = space.required
    if any(not 0 <= member < space.candidates for member in required):
        return (
            f"required members are {list(required)}; expected indices below {space.candidates}; "
            "a required perturbation must be a candidate"
        )
    names = [space.names[member] for member in required]
    if len(set(required)) < len(required):
        return f"required members are {listed(names)}; expected each once; drop repetitions"
    if len(required) > space.max_size:
        return (
            f"{len(required)} members are required ({listed(names)}) in sets of at most "
            f"{space.max_size}; require fewer or raise max_size"
        )
    return None


def _apart(space: Space) -> str | None:
    for one, other in sorted(space.apart):
        if not (0 <= one < space.candidates and 0 <= other < space.candidates) or one == other:
            return (
                f"the forbidden pair ({one}, {other}) is not of two candidates; expected two "
                f"different indices below {space.candidates}"
            )
        if one in space.required and other in space.required:
            pair = f"{space.names[one]} and {space.names[other]}"
            return f"{pair} are both required and forbidden together; drop one of the two"
    return None


def _cost(space: Space) -> str | None:
    if np.isnan(space.most_cost) or space.most_cost < 0:
        return f"most_cost is {space.most_cost:g}; expected 0 or more"
    if space.cost is None:
        return None
    cost = np.asarray(space.cost, dtype=np.float64)
    if cost.shape != (space.candidates,):
        return f"cost has shape {cost.shape}; expected one per candidate, ({space.candidates},)"
    bad = np.flatnonzero(~(np.isfinite(cost) & (cost >= 0)))
    if len(bad):
        names = [f"{space.names[at]} {cost[at]:g}" for at in bad]
        return f"cost is negative or not finite ({listed(names)}); expected 0 or more"
    owed = float(cost[list(space.required)].sum())
    names = [space.names[member] for member in space.required]
    if owed > space.limit:
        return (
            f"required members ({listed(names)}) cost {owed:g}, more than most_cost "
            f"{space.most_cost:g}; raise it or require fewer"
        )
    wanted = max(space.min_size - len(space.required), 0)
    cheapest = np.sort(cost[space.optional])[:wanted].sum() + owed
    if cheapest > space.limit:
        return (
            f"the cheapest set of {space.min_size} costs {cheapest:g}, more than most_cost "
            f"{space.most_cost:g}; raise it or lower min_size"
        )
    return None


def _something_left(space: Space) -> str | None:
    wanted = max(space.min_size - len(space.required), 0)
    if wanted == 0 and space.required:
        return None
    if _fill(space, list(space.required), max(wanted, 1)):
        return None
    pairs = [f"{space.names[a]} and {space.names[b]}" for a, b in sorted(space.apart)]
    also = "" if space.cost is None else f" at a cost of at most {space.most_cost:g}"
    return (
        f"no set of {space.min_size} or more keeps apart {listed(pairs)}{also}; forbid fewer "
        "pairs or lower min_size"
    )


def _fill(space: Space, chosen: list[int], wanted: int) -> bool:
    """Tell whether `wanted` more members can join `chosen`, cheapest first."""
    room = space.limit - float(space.costs[chosen].sum())
    order = space.optional[np.argsort(space.costs[space.optional], kind="stable")].tolist()
    rivals = {member: set(map(int, each)) for member, each in space.rivals.items()}
    taken = {each for member in chosen for each in rivals.get(member, ())}

    def extend(at: int, wanted: int, room: float, taken: set[int]) -> bool:
        if wanted == 0:
            return True
        for here in range(at, len(order) - wanted + 1):
            member = order[here]
            if space.costs[member] > room:
                return False
            if member in taken:
                continue
            left = room - float(space.costs[member])
            if extend(here + 1, wanted - 1, left, taken | rivals.get(member, set())):
                return True
        return False

    return extend(0, wanted, room, taken)
