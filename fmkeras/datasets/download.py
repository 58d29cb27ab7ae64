"""Downloads that are checked, retried, and whole or not there at all."""

import hashlib
import http.client
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from fmkeras.files import replacing

_BLOCK = 1 << 16


class FetchError(Exception):
    """A file that no address gave as expected; the message says why, in one line."""


def fetch(
    addresses: Sequence[str],
    path: Path,
    size: int | None,
    md5: str,
    *,
    progress: bool = True,
    rounds: int = 3,
    pause: float = 1.0,
    timeout: float = 10.0,
) -> None:
    """Download the file of `size` bytes, if known, with this `md5` to `path`.

    The addresses are tried in turn, `rounds` times; before each further round it
    waits, first `pause` seconds, then twice as long each time. A body that is cut
    short or altered counts as a failure, and nothing of it stays. Raises `FetchError`
    with the last failure, `UserError` where the folder cannot be written.
    """
    failure = "no address was given"
    for turn in range(rounds):
        if turn:
            time.sleep(pause * 2 ** (turn - 1))
        for address in addresses:
            try:
                _receive(address, path, size, md5, progress, timeout)
            except (OSError, http.client.HTTPException, FetchError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                failure = f"{address}: {reason}"
            else:
                return
    raise FetchError(failure)


def _receive(
    address: str, path: Path, size: int | None, md5: str, progress: bool, timeout: float
) -> None:
    # The connection comes first: without one, no folder is made.
    with (
        urllib.request.urlopen(address, timeout=timeout) as response,
        replacing(path) as temporary,
        open(temporary, "wb") as file,
        tqdm(
            total=size, desc=path.name, unit="B", unit_scale=True, disable=not progress
        ) as bar,
    ):
        digest = hashlib.md5(usedforsecurity=False)
        received = 0
        while block := response.read(_BLOCK):
            file.write(block)
            digest.update(block)
            received += len(block)
            bar.update(len(block))
            if size is not None and received > size:
                break
        if size is not None and received != size:
            relation = "more than" if received > size else f"{received} of"
            raise FetchError(f"{relation} {size} bytes came")
        if digest.hexdigest() != md5:
            raise FetchError(f"MD5 {digest.hexdigest()} came instead of {md5}")
