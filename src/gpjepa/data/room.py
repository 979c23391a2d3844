"""Memory that is read into again and again, so that it is not asked for anew each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPARE = 32  # one part in this many is asked for beyond what is needed: windows vary in size


class Room:
    """Memory for the entries of a sparse matrix; what was in it is lost when it is used again.

    A page that is written to for the first time costs several times as much as one in use.
    """

    def __init__(self) -> None:
        self._values = np.empty(0, dtype=np.float32)
        self._genes = np.empty(0, dtype=np.int32)

    def of(self, entries: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return room for values and columns of so many entries."""
        if len(self._values) < entries:
            self._values, self._genes = np.empty(0, np.float32), np.empty(0, np.int32)
            most = entries + entries // _SPARE
            self._values, self._genes = np.empty(most, np.float32), np.empty(most, np.int32)
        return self._values[:entries], self._genes[:entries]
