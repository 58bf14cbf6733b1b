"""glibc's allocator, told to keep what it is given back.

Tensors of some megabytes come and go all the time where a CPU computes. By default glibc gives such blocks back to the
system, which wipes and maps them anew at the next need: 5 to 15% of the processor time of generations and separations.
The program asks for this, not the library: it holds for a whole process.
"""

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of two settings in malloc.h."""
KEPT = 2**30
"""Bytes that may lie free at the heap's end before they are given back."""
LARGEST = 2**25
"""Bytes from which a block is mapped on its own all the same: the most that glibc allows."""
OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Whether the allocator took the settings; other systems, and users who chose their own, keep theirs."""
    if sys.platform != "linux" or any(name in os.environ for name in OWN_SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, LARGEST)) and bool(mallopt(TRIM_THRESHOLD, KEPT))
