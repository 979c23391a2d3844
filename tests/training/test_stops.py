from __future__ import annotations

import os
import signal
import threading

import pytest

from gpjepa.training.stops import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_requests() as asked:
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
        assert asked()
    assert signal.getsignal(number) is before


def test_other_threads_are_never_asked() -> None:
    found = []

    def train() -> None:
        with stop_requests() as asked:
            found.append(asked())

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert found == [False]
