"""Files of PyTorch weights, read as NumPy arrays; no code in them is run."""

import itertools
import os
import pickle
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files.npz import read_npz

SUFFIXES = (".pt", ".pth", ".bin", ".npz", ".safetensors")
# Of all arrays together; the largest of our networks has 0.6 GB.
LARGEST_BYTES = 2 * 1024**3


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Return the arrays of a state dict in their order, float32, by their keys.

    `path` ends in .pt, .pth or .bin (written by `torch.save`, which needs torch here),
    .npz or .safetensors. A state dict may lie inside a checkpoint, under any key; the
    prefix `module.` of data-parallel training is dropped. Raises `UserError` for a
    file that is missing, damaged, too large or holds no state dict; for a whole
    pickled module it gives the two lines that make a state dict of it.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix == ".npz":
        arrays = _read_npz(path)
    elif path.suffix == ".safetensors":
        arrays = _read_safetensors(path)
    else:
        arrays = _read_torch(path)
    if not arrays:
        raise _no_state_dict(path, "no arrays")
    if all(key.startswith("module.") for key in arrays):
        arrays = {key.removeprefix("module."): v for key, v in arrays.items()}
    for key, value in arrays.items():
        if value.dtype.kind not in "biuf":
            raise _no_state_dict(path, f"{value.dtype} in {key[:80]!r}")
    return {key: np.asarray(value, np.float32) for key, value in arrays.items()}


def _check_file(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"Unknown kind of weights file; expected one that ends in "
            f"{', '.join(SUFFIXES)}. Received: '{path}'"
        )
    try:
        found = path.stat()
    except OSError as error:
        raise UserError(
            f"Cannot read the weights file '{path}' ({error.strerror}); expected a "
            "file: check the path."
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"The weights file is no regular file. Received: '{path}'")
    if found.st_size > LARGEST_BYTES:
        raise _too_large(path, found.st_size)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_npz(path, largest=LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise UserError(
            "Reading .safetensors needs the package safetensors; expected it in this "
            "environment: pip install safetensors."
        ) from error
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    # The file keeps no order of its own: 2 before 10.
    return dict(sorted(arrays.items(), key=lambda item: _natural(item[0])))


def _natural(key: str) -> list:
    parts = re.split(r"(\d+)", key)
    return [int(part) if part.isdigit() else part for part in parts]


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"Reading {path.suffix} needs torch; expected it in this environment, or "
            "a .npz or .safetensors file."
        ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "GLOBAL" in str(error):
            raise _whole_module(path) from error
        raise _damaged(path, error) from error
    except Exception as error:  # torch raises many types for what a file may hold.
        raise _damaged(path, error) from error
    tensors = _find_tensors(content, torch.Tensor)
    if tensors is None:
        raise _no_state_dict(path, type(content).__name__)
    return {
        key: tensor.detach().to(torch.float32).numpy()
        for key, tensor in tensors.items()
        if not tensor.is_quantized
    }


def _find_tensors(content: object, kind: type, depth: int = 3) -> Mapping | None:
    """Return the first mapping of names to tensors in a checkpoint."""
    if not isinstance(content, Mapping) or not content:
        return None
    if all(isinstance(value, kind) for value in content.values()):
        return content
    if depth:
        for value in content.values():
            found = _find_tensors(value, kind, depth - 1)
            if found is not None:
                return found
    return None


def _whole_module(path: Path) -> UserError:
    state = path.with_name(f"{path.stem}-state.pt")
    return UserError(
        f"'{path}' holds a whole pickled module, and opening it runs code from the "
        "file; expected a state dict. Where you trust the file and have the module's "
        f"class, these lines make one: model = torch.load('{path}', "
        f"weights_only=False); torch.save(model.state_dict(), '{state}')"
    )


def _no_state_dict(path: Path, received: str) -> UserError:
    return UserError(
        f"'{path}' holds no state dict; expected names with arrays, as "
        f"torch.save(model.state_dict(), path) writes them. Received: {received}"
    )


def _damaged(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:160]
    return UserError(
        f"The weights file '{path}' is damaged or of another kind; expected "
        f"{path.suffix}: save or copy it again. Received: {reason}"
    )


def _too_large(path: Path, size: int) -> UserError:
    return UserError(
        f"The weights file '{path}' is too large; expected at most "
        f"{LARGEST_BYTES / 1e9:.1f} GB. Received: {size / 1e9:.1f} GB"
    )


def hidden_widths(arrays: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """Return the widths of the hidden layers of a file of dense layers, first to last.

    Empty where its matrices, (outputs, inputs), are not a chain in the order they have.
    """
    matrices = [array.shape for array in arrays.values() if array.ndim == 2]
    for (width, _), (_, inputs) in itertools.pairwise(matrices):
        if width != inputs:
            return ()
    return tuple(width for width, _ in matrices[:-1])
