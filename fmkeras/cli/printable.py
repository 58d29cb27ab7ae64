"""Output that no name can take over: control characters are shown, not sent."""

import contextlib
import io
import re
import sys
from collections.abc import Iterator

# Not tabs and the ends of lines, nor colours, which are the program's own; whatever
# else moves the cursor, changes the terminal, or turns the direction of text.
_CONTROL = re.compile(
    "(\x1b\\[(?:0|3[0-7])m)|[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e"
    "\u2066-\u2069\ud800-\udfff]"
)


def shown(text: str) -> str:
    """Return text with control characters as Python writes them, such as \\x07.

    A carriage return is left where a progress bar has it, at either end.
    """
    body = text.strip("\r")
    if not body:
        return text
    start = text.index(body)
    end = start + len(body)
    return f"{text[:start]}{_CONTROL.sub(_escaped, body)}{text[end:]}"


class PrintableStream:
    """A stream of text that is written as `shown`."""

    def __init__(self, stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(shown(text))
        return len(text)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextlib.contextmanager
def printable_output() -> Iterator[None]:
    """Show what is written to stdout and stderr within, whatever names it holds.

    A character that the terminal has not costs a question mark, not the command.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if isinstance(before[0], PrintableStream):
        yield
        return
    # Without a stream, as where it was closed, there is none to wrap.
    out, err = (stream and PrintableStream(stream) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        # Unless a test, or a library, has put its own in the place.
        if sys.stdout is out:
            sys.stdout = before[0]
        if sys.stderr is err:
            sys.stderr = before[1]


def _escaped(match: re.Match) -> str:
    if match[1]:
        return match[1]
    return match[0].encode("unicode_escape", "surrogatepass").decode()
