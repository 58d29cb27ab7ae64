"""Data parallel training: one process a device, and each computes a share of a batch.

The processes hold the same weights. Of every batch each takes some rows, computes their
gradients, sums these over all processes in one message, and makes the same update.
"""

from fmkeras.engines.parallel.processes import SINGLE, Processes, current, join
from fmkeras.engines.parallel.share import Share

__all__ = ["SINGLE", "Processes", "Share", "current", "join"]
