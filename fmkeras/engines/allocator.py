"""Memory that is freed stays with the process, for the next step to use again.

Each step asks for the same large arrays. The C library of Linux gives such memory back
to the system and fetches it anew, page by page, which takes longer than some layers do.
"""

import ctypes
import sys

# Parameters of glibc's `mallopt`, and the largest value it takes.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MOST = 2**31 - 1
_PAD = 64 * 1024**2


def keep_freed_memory() -> None:
    """Tell the C library of this process to keep memory; nothing outside Linux."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MOST)
        mallopt(_TRIM_THRESHOLD, _MOST)
        mallopt(_TOP_PAD, _PAD)
