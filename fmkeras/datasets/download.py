"""Downloads that are checked, retried, and whole or not there at all."""

import contextlib
import hashlib
import http
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from fmkeras.files import replacing

_BLOCK = 1 << 16
# Of a file whose size is not known before.
_MOST_BYTES = 2 << 30


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
    limit: float = 1800.0,
) -> None:
    """Download the file of `size` bytes, if known, with this `md5` to `path`.

    The addresses are tried in turn, `rounds` times; before each further round it
    waits, first `pause` seconds, then twice as long each time. One attempt goes on
    where the one before stopped, if the server can. None waits longer than `timeout`
    seconds for a byte, and all end after `limit` seconds. A body that is altered is
    begun anew, and nothing of it stays. Raises `FetchError` with the last failure,
    `UserError` where the folder cannot be written.
    """
    end = time.monotonic() + limit
    failure = "no address was given"
    with contextlib.ExitStack() as stack:
        part = _Part(path, size, stack, progress)
        for turn in range(rounds):
            if turn:
                time.sleep(pause * 2 ** (turn - 1))
            for address in addresses:
                try:
                    _receive(address, part, timeout, end)
                    part.check(md5)
                except (OSError, http.client.HTTPException, FetchError) as error:
                    reason = " ".join(str(error).split()) or type(error).__name__
                    failure = f"{address}: {reason}"
                else:
                    return
                if time.monotonic() > end:
                    raise FetchError(f"{failure}; it took more than {limit:.0f} s")
        raise FetchError(failure)


class _Part:
    """What has come of a file, beside its place; it takes it at the end of `stack`."""

    def __init__(
        self,
        path: Path,
        size: int | None,
        stack: contextlib.ExitStack,
        progress: bool,
    ) -> None:
        self.path, self.size = path, size
        self._stack, self._progress = stack, progress
        self._file = None
        self.received = 0

    def open(self) -> None:
        """Make the file, once there is a connection: without one, no folder is made."""
        if self._file is None:
            temporary = self._stack.enter_context(replacing(self.path))
            self._file = self._stack.enter_context(open(temporary, "w+b"))
            self._bar = self._stack.enter_context(
                tqdm(
                    total=self.size,
                    desc=self.path.name,
                    unit="B",
                    unit_scale=True,
                    disable=not self._progress,
                )
            )

    def begin_anew(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._bar.reset()
        self.received = 0

    def add(self, block: bytes) -> None:
        self._file.write(block)
        self._bar.update(len(block))
        self.received += len(block)
        most = _MOST_BYTES if self.size is None else self.size
        if self.received > most:
            self.begin_anew()
            raise FetchError(f"more than {most} bytes came")

    def check(self, md5: str) -> None:
        """Raise `FetchError` unless all came, as it was published."""
        if self.size is not None and self.received != self.size:
            raise FetchError(f"{self.received} of {self.size} bytes came")
        self._file.seek(0)
        found = hashlib.file_digest(self._file, _md5).hexdigest()
        if found != md5:
            self.begin_anew()
            raise FetchError(f"MD5 {found} came instead of {md5}")
        self._file.flush()


def _md5():
    return hashlib.md5(usedforsecurity=False)


def _receive(address: str, part: _Part, timeout: float, end: float) -> None:
    request = urllib.request.Request(address)
    asked = f"bytes {part.received}-"
    if part.received:
        request.add_header("Range", asked.replace(" ", "="))
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.begin_anew()
        raise
    with response:
        part.open()
        is_rest = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if not is_rest or not part.received:
            part.begin_anew()
        elif not response.headers.get("Content-Range", "").startswith(asked):
            part.begin_anew()
            raise FetchError("another part came than was asked for")
        # Not `read`, which waits for a whole block, however slowly it comes.
        while block := response.read1(_BLOCK):
            part.add(block)
            if time.monotonic() > end:
                raise FetchError(f"{part.received} bytes came, too slowly")
        # Of a file on this machine there is none.
        missing = getattr(response, "length", None)
        if missing:
            size = part.received + missing
            raise FetchError(f"{part.received} of {size} bytes came")
