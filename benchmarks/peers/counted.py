"""The steps of programs that train under lightning."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as lightning

from benchmarks.peers.turns import Enough, Steps


class Counted(lightning.Callback):
    """Counts the steps of its trainer, and stops it as a keyboard would."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the end of a step."""
        try:
            self.steps()
        except Enough:
            raise KeyboardInterrupt from None
