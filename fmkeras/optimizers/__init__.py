"""Optimizers that Keras does not bring."""

from fmkeras.optimizers.ranger21 import Ranger21

__all__ = ["Ranger21"]
