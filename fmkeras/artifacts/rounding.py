"""Weights rounded to fewer significant bits, and files that then take less room.

A float32 has 24 significant bits. Most of them say nothing about the class of an image
and do not compress: a network of 11 million weights takes 45 MB, rounded to 8 bits 16.
The weights stay float32, so that Keras opens the file as any other.
"""

import io
import os
import zipfile
from collections.abc import Callable, Sequence

import h5py
import numpy as np

SIGNIFICANT_BITS = 24
# bfloat16 has 8; what more than 12 would win is no worth the search.
CANDIDATES = (8, 9, 10, 11, 12, 16)
# Less than 0.02 points: one image of 5,000 is as much, so none may be lost there.
LOSS = 0.0002
_WEIGHTS = "model.weights.h5"
# Smaller arrays take no room worth a filter.
_LEAST_COMPRESSED = 1_024


def round_weights(weights: Sequence[np.ndarray], bits: int) -> list[np.ndarray]:
    """Return weights, kernels rounded to so many significant bits, ties to even.

    Kernels are the float32 arrays of two axes or more. Biases and what batch
    normalisation keeps stay as they are. Raises `ValueError` for bits outside 1 to 24.
    """
    if not 1 <= bits <= SIGNIFICANT_BITS:
        raise ValueError(f"Expected 1 to 24 significant bits. Received: {bits}")
    return [_rounded(np.asarray(w), bits) if _is_kernel(w) else w for w in weights]


def fewest_bits(
    weights: Sequence[np.ndarray], accuracy: Callable[[list[np.ndarray]], float]
) -> tuple[int, float, float]:
    """Return the fewest bits that cost less than `LOSS`, and both accuracies.

    `accuracy(weights)` measures a model of such weights, on validation images. The
    accuracies are those of the exact weights and of the rounded ones; with none of the
    `CANDIDATES` good enough the bits are 24.
    """
    exact = accuracy(list(weights))
    for bits in CANDIDATES:
        found = accuracy(round_weights(weights, bits))
        # Rounded: 0.9388 - 0.9386 is a little less than 0.0002 in binary.
        if round(exact - found, 9) < LOSS:
            return bits, exact, found
    return SIGNIFICANT_BITS, exact, exact


def compress_file(path: str | os.PathLike) -> None:
    """Rewrite a `.keras` file compressed, by filters that every h5py and zip reads.

    The bytes of equal place in each weight are put together first, which halves what
    gzip makes of rounded ones. The file is written over in place: call it for a file
    that nobody reads yet.
    """
    with zipfile.ZipFile(path) as archive:
        members = [(member, archive.read(member)) for member in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for member, content in members:
            if member.filename == _WEIGHTS:
                content = _compressed(content)
            # The date of the member, not of this moment.
            info = zipfile.ZipInfo(member.filename, member.date_time)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def _is_kernel(weight) -> bool:
    return weight.ndim > 1 and weight.dtype == np.float32


def _rounded(weight: np.ndarray, bits: int) -> np.ndarray:
    dropped = SIGNIFICANT_BITS - bits
    if not dropped:
        return weight.copy()
    # A number's bits, without the sign, are in the order of its size, so that what
    # carries over from the last bit kept goes into the exponent as it should.
    raw = np.ascontiguousarray(weight).view(np.uint32)
    odd = (raw >> np.uint32(dropped)) & np.uint32(1)
    half = np.uint32((1 << (dropped - 1)) - 1)
    mask = np.uint32(0xFFFFFFFF ^ ((1 << dropped) - 1))
    rounded = ((raw + half + odd) & mask).view(np.float32)
    return np.where(np.isfinite(weight), rounded, weight)


def _compressed(content: bytes) -> bytes:
    out = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as source, h5py.File(out, "w") as target:
        for name, value in source.attrs.items():
            target.attrs[name] = value

        def copy(name: str, item) -> None:
            if isinstance(item, h5py.Dataset):
                filters = {}
                if item.size >= _LEAST_COMPRESSED:
                    filters = {"chunks": item.shape, "shuffle": True}
                    filters |= {"compression": "gzip", "compression_opts": 9}
                copied = target.create_dataset(name, data=item[()], **filters)
            else:
                copied = target.require_group(name)
            for key, value in item.attrs.items():
                copied.attrs[key] = value

        source.visititems(copy)
    return out.getvalue()
