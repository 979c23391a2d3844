"""Who comes first in many races, found without looking at those who come far behind."""

from __future__ import annotations

import numpy as np

LOOKED_AT = 24  # runners a race beyond those asked for that are looked at, about
WIDE = 1024  # runners from which on most are passed over
LONGEST = 1e30
MARGIN = 0.999  # of the time that is looked at, for rounding


def first_of_races(noise: np.ndarray, speed: np.ndarray, most: int) -> np.ndarray:
    """Return the `most` runners with the least noise over speed in each row, in order [N, most].

    `noise` [N, M] is standard exponential and `speed` [M] positive, both float32. In wide fields
    only those are looked at that run into a time which some more than `most` are expected to
    make; rows where that does not settle it, or two are equal, are looked at whole.
    """
    if len(speed) < WIDE:
        return _first(noise / speed, most)
    time = _enough(speed, most + LOOKED_AT)
    row, runner = np.nonzero(noise < speed * np.float32(time))
    count = np.bincount(row, minlength=len(noise))
    at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    needed = most + 1
    width = max(int(count.max(initial=0)), needed)
    own = np.full((len(noise), width), np.inf, dtype=np.float32)
    who = np.zeros((len(noise), width), dtype=np.int64)
    own[row, at], who[row, at] = noise[row, runner] / speed[runner], runner
    order = np.argsort(own, axis=1, kind="stable")[:, :needed]
    ranked = np.take_along_axis(own, order, axis=1)
    found = np.take_along_axis(who, order, axis=1)[:, :most]
    unsettled = (ranked[:, 1:] == ranked[:, :-1]).any(axis=1) | ~(ranked[:, -1] < MARGIN * time)
    if unsettled.any():
        found[unsettled] = _first(noise[unsettled] / speed, most)
    return found


def _first(time: np.ndarray, most: int) -> np.ndarray:
    """Return the `most` least of each row [N, M], in order."""
    first = np.argpartition(time, most - 1, axis=1)[:, :most]
    order = np.argsort(np.take_along_axis(time, first, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(first, order, axis=1))


def _enough(speed: np.ndarray, runners: int) -> float:
    """Return a time in which about `runners` or more are expected, all where there are fewer."""
    wanted, time = min(runners, len(speed) // 2), runners / float(speed.sum())
    while time < LONGEST and -np.expm1(-time * speed.astype(np.float64)).sum() < wanted:
        time *= 1.5
    return time
