"""A `.keras` file looked at before Keras opens it: sizes, counts and both its parts.

An archive of a few megabytes can declare gigabytes, or hundreds of thousands of
members; a config of a few lines, billions of weights. What a file declares is held
against what it holds before any of it is unpacked or built.
"""

import io
import json
import struct
import zipfile
from pathlib import Path
from textwrap import shorten

from fmkeras.errors import UserError
from fmkeras.files.reading import parse_json, read_bytes, reason_of

LARGEST_FILE = 2 << 30
LARGEST_CONFIG = 16 << 20
# Keras writes three members, and one for each file of a layer's own.
MOST_MEMBERS = 1_000
# The deepest of Keras's applications has 1,100.
MOST_LAYERS = 3_000
# Weights hardly compress; all zeros do, a thousand times.
MOST_PACKED = 100
SMALL = 64 << 20
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# The end of an archive: a mark, the number of members, the bytes of their list.
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 0xFFFF


def read_model_file(path: Path) -> bytes:
    """Return the bytes of a model file; raise `UserError` where it cannot be read."""
    try:
        return read_bytes(path, LARGEST_FILE)
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read '{path}' ({reason_of(error)}).") from error


def read_config(path: Path, content: bytes) -> tuple[dict, str, int]:
    """Check every byte of an archive; return config, version and bytes of weights.

    The version is that of the Keras that wrote the file. Raises `UserError` for what is
    no whole `.keras` file, or declares more than it holds.
    """
    if not content:
        raise _broken(path, "is empty")
    if not content.startswith(b"PK"):
        raise _broken(path, "is no zip archive")
    try:
        _check_count(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_sizes(archive, len(content))
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"in its {damaged}")
            config = parse_json(archive.read(CONFIG))
            version = _version(archive)
            weights = _check_weights(archive)
    except KeyError as error:
        raise _broken(path, f"holds no '{CONFIG}'") from error
    except json.JSONDecodeError as error:
        raise _broken(path, f"has no JSON in '{CONFIG}' ({error})") from error
    except TooMuch as error:
        raise UserError(
            f"The model file '{path}' {error}; expected one that holds what it "
            "declares: save it again, or do not trust it."
        ) from error
    except Exception as error:  # Each damaged field of a zip has an error of its own.
        raise _broken(
            path, f"is cut short or damaged ({shorten(str(error), 160)})"
        ) from error
    if not isinstance(config, dict):
        raise _broken(path, f"describes no model in '{CONFIG}'")
    layers = _count_layers(config)
    if layers > MOST_LAYERS:
        raise UserError(
            f"The model file '{path}' has too many layers; expected at most "
            f"{MOST_LAYERS:,}: build it of fewer. Received: {layers:,}"
        )
    return config, version, weights


class TooMuch(Exception):
    """An archive that declares more than it holds; the message says what."""


def _check_count(content: bytes) -> None:
    """Raise `TooMuch` for many members, before `zipfile` makes an object of each."""
    start = content.rfind(_END, max(len(content) - _END_BYTES - _LONGEST_COMMENT, 0))
    if start < 0 or len(content) - start < _END_BYTES:
        raise zipfile.BadZipFile("its end is missing")
    count, size = struct.unpack_from("<HI", content, start + 10)
    if count > MOST_MEMBERS or size > 1000 * MOST_MEMBERS:
        raise TooMuch(f"has {count:,} or more members, of at most {MOST_MEMBERS:,}")


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise TooMuch(f"has {len(members):,} members, of at most {MOST_MEMBERS:,}")
    for member in members:
        small = member.filename in (CONFIG, METADATA)
        most = LARGEST_CONFIG if small else LARGEST_FILE
        if member.file_size > most:
            raise TooMuch(
                f"declares {member.file_size:,} bytes for its "
                f"'{shorten(member.filename, 60)}', of at most {most:,}"
            )
    total = sum(member.file_size for member in members)
    if total > max(SMALL, MOST_PACKED * size) or total > LARGEST_FILE:
        raise TooMuch(f"of {size:,} bytes declares {total:,}")


def _check_weights(archive: zipfile.ZipFile) -> int:
    """Return the bytes of all weights; raise `TooMuch` where they are not there."""
    try:
        content = archive.read(WEIGHTS)
    except KeyError:
        return 0
    import h5py

    found = []
    with h5py.File(io.BytesIO(content), "r") as file:

        def look(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise TooMuch("has weights that lie in another file")
                found.append(item.nbytes)

        file.visititems(look)
    total = sum(found)
    if total > max(SMALL, MOST_PACKED * len(content)) or total > LARGEST_FILE:
        raise TooMuch(f"declares {total:,} bytes of weights in {len(content):,}")
    return total


def _version(archive: zipfile.ZipFile) -> str:
    """Return the version of Keras that wrote a `.keras` file, as far as it says."""
    try:
        return str(parse_json(archive.read(METADATA))["keras_version"])[:20]
    except (KeyError, TypeError, ValueError):
        return "of unknown version"


def _count_layers(config: dict) -> int:
    """Return the number of layers in a config, those of nested models too."""
    count, rest = 0, [config]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            layers = value.get("layers")
            count += len(layers) if isinstance(layers, list) else 0
            rest += value.values()
        elif isinstance(value, list):
            rest += value
    return count


def _broken(path: Path, what: str) -> UserError:
    return UserError(
        f"The model file '{path}' {what}; expected a whole .keras file: save or copy "
        "it again."
    )
