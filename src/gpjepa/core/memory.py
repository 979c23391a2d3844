"""Memory that a step frees is kept for the next one."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3) in glibc
KEPT = 512 * 2**20  # bytes free at the end of the heap before any go back to the system
LARGE = 32 * 2**20  # bytes from which memory is asked of the system by itself, the most glibc takes


@cache
def keep_freed_memory() -> bool:
    """Have freed memory stay with this process, up to `KEPT` bytes; tell whether that was set.

    A step of training frees what the next one needs again. By itself glibc may return it after
    each step, and every page of it then costs a fault. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGE)) and bool(mallopt(TRIM_THRESHOLD, KEPT))
