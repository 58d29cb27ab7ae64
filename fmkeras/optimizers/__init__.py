"""Optimizers that Keras does not bring, and PyTorch's where Keras's differ."""

from fmkeras.optimizers.muon import Muon
from fmkeras.optimizers.ranger21 import Ranger21
from fmkeras.optimizers.torch_adam import TorchAdam
from fmkeras.optimizers.torch_rmsprop import TorchRMSprop

__all__ = ["Muon", "Ranger21", "TorchAdam", "TorchRMSprop"]
