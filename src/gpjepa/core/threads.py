"""CPU threads: how many a fit runs on, whatever the environment says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

WIDE_PANEL = 2000  # genes from which several threads are faster than one


def torch_threads(genes: int | None, chosen: int | None = None) -> int | None:
    """Return the threads that torch should use: those `chosen`, else one below 2,000 genes.

    On small matrices threads wait for each other longer than they work. None: torch's own choice.
    """
    if chosen is not None:
        return chosen
    return 1 if genes is not None and genes < WIDE_PANEL else None


def set_threads(genes: int | None, chosen: int | None = None) -> None:
    """Set the threads of this process for good: torch's, and those of numpy, scipy and sklearn."""
    import torch

    count = torch_threads(genes, chosen)
    if count is None:
        return
    _load_pools()
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    torch.set_num_threads(count)


@contextmanager
def steady_threads(genes: int, chosen: int | None = None) -> Iterator[None]:
    """Run torch on `torch_threads` and numpy's linear algebra on one thread, for the time being.

    Sums come out in another order, so with other last digits, on another number of threads, and
    training makes much of last digits. Inside, a fit below 2,000 genes, or with `chosen` threads,
    does not depend on OMP_NUM_THREADS and the like.
    """
    import torch
    from threadpoolctl import threadpool_limits

    _load_pools()
    before, count = torch.get_num_threads(), torch_threads(genes, chosen)
    with threadpool_limits(1, user_api="blas"):
        torch.set_num_threads(before if count is None else count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run numpy, scipy and scikit-learn on one thread, for the time being."""
    from threadpoolctl import threadpool_limits

    _load_pools()
    with threadpool_limits(1):
        yield


def _load_pools() -> None:
    """Load the libraries whose threads are limited: a pool that is not loaded yet is missed."""
    import scipy.linalg
    import sklearn.cluster

    _ = scipy.linalg, sklearn.cluster
