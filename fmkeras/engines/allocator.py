"""Keeps freed memory in the process, for the next step to use again.

Each step allocates the same large arrays. By default glibc returns such memory to the
system and maps it again page by page, which takes longer than some layers.
"""

import ctypes
import sys

# Parameters of glibc's `mallopt`, and the largest value it takes.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MOST = 2**31 - 1
_PAD = 64 * 1024**2


def keep_freed_memory() -> None:
    """Make glibc keep freed memory in this process; does nothing outside Linux."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MOST)
        mallopt(_TRIM_THRESHOLD, _MOST)
        mallopt(_TOP_PAD, _PAD)
