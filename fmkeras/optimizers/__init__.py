"""Optimizers that Keras does not bring, and PyTorch's where Keras's differ."""

from fmkeras.optimizers.ranger21 import Ranger21
from fmkeras.optimizers.torch_adam import TorchAdam
from fmkeras.optimizers.torch_rmsprop import TorchRMSprop

__all__ = ["Ranger21", "TorchAdam", "TorchRMSprop"]
