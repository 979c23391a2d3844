from __future__ import annotations

import subprocess
import sys

import pytest

FREED = """
import ctypes
from gpjepa.core.memory import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
class Held(ctypes.Structure):  # mallinfo2 of glibc
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
                .split()]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype, libc.malloc.restype = Held, ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = [libc.malloc(20 * 2**20) for _ in range(4)]
for block in blocks:
    libc.free(block)
print(libc.mallinfo2().fordblks)
"""


def held(keep: bool) -> int:
    """Return the bytes that a process still holds after it freed 80 MiB."""
    code = FREED.format(keep=keep)
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if "mallinfo2" in found.stderr:
        pytest.skip("no glibc of 2020 or later")
    assert not found.returncode, found.stderr
    return int(found.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_stays_with_the_process() -> None:
    assert held(keep=True) > 70 * 2**20
    assert held(keep=False) < 30 * 2**20
