"""Dropout masks from random bytes: faster than a random float for each value."""

import torch


def draw_mask(x, rate: float):
    """Return a mask of the shape and dtype of `x`: 0 with probability `rate`.

    The other values are 1 / (1 - rate). Where bytes cannot represent the rate exactly,
    the probability differs from it by less than 1e-5.
    """
    # One byte represents rates such as 0.5 exactly; other rates use two.
    kind, wide = torch.uint8, torch.int16
    if rate * 256 % 1:
        kind, wide = torch.int16, torch.int32
    bits = 8 * kind.itemsize
    words = -(-x.numel() * bits // 64)
    words = torch.randint(-(2**63), 2**63 - 1, [words], device=x.device)
    drawn = words.view(kind)[: x.numel()].reshape(x.shape).to(wide)
    # Bit shifts: 1 for the `kept` highest of the 2**bits equally likely numbers.
    kept = 2**bits - round(rate * 2**bits)
    mask = (drawn + (kept - torch.iinfo(kind).min)) >> bits
    return mask.to(x.dtype) * (2**bits / kept)
