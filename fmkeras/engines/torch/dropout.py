"""Which values dropout keeps, by random bytes: quicker than a random float for each."""

import torch


def draw_mask(x, rate: float):
    """Return of x's shape and type 0 with probability `rate`, else 1 / (1 - rate).

    Where the bytes cannot say the rate exactly, theirs errs by less than 1e-5.
    """
    # A byte is enough for rates such as 0.5; non_trainable take two.
    kind, wide = torch.uint8, torch.int16
    if rate * 256 % 1:
        kind, wide = torch.int16, torch.int32
    bits = 8 * kind.itemsize
    words = -(-x.numel() * bits // 64)
    words = torch.randint(-(2**63), 2**63 - 1, [words], device=x.device)
    drawn = words.view(kind)[: x.numel()].reshape(x.shape).to(wide)
    # 1 where the number drawn, counted from 0, is not among the lowest `dropped`.
    kept = 2**bits - round(rate * 2**bits)
    mask = (drawn + (kept - torch.iinfo(kind).min)) >> bits
    return mask.to(x.dtype) * (2**bits / kept)
