"""Lists the files of this project that one command passes through, in order.

    python tests/support/trips.py FROM UNTIL COMMAND ...

runs `COMMAND ...` (fmkeras, or tuner, and its arguments) and prints each file of
`fmkeras/` and `tuner/` in which a function is called while the function FROM runs, up
to the first call of UNTIL; '-' for UNTIL means: to the end of FROM. Imports do not
count. To measure another commit, run the same script in a worktree of it.
"""

import inspect
import os
import runpy
import sys
from pathlib import Path


class Trip:
    """A profile function that notes the files entered between two functions."""

    def __init__(self, root: Path, start: str, end: str | None) -> None:
        self.root, self.start, self.end = root, start, end
        self.files: list[str] = []
        self.calls: set[tuple[str, str]] = set()
        self._first = None
        self._over = False

    def __call__(self, frame, event, argument) -> None:
        if self._over or event not in ("call", "return"):
            return
        name = frame.f_code.co_name
        if event == "return":
            self._over = frame is self._first
            return
        file = self._file(frame)
        # A class body is a call too, one that is not optimized.
        if file is None or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return
        if self._first is None and name == self.start:
            self._first = frame
        if self._first is None:
            return
        caller, own = frame, None
        while caller is not self._first:
            caller = caller.f_back
            if caller is None or caller.f_code.co_name == "<module>":
                return  # a decorator that runs at an import
            own = own or self._file(caller)
        if file not in self.files:
            self.files.append(file)
        if own not in (None, file):
            self.calls.add((own, file))
        self._over = name == self.end

    def _file(self, frame) -> str | None:
        path = frame.f_code.co_filename
        for package in ("fmkeras", "tuner"):
            if path.startswith(str(self.root / package) + os.sep):
                return os.path.relpath(path, self.root)
        return None


def main(start: str, end: str, package: str, *words: str) -> int:
    """Run the command and print its trip; 1 where FROM or UNTIL was not reached."""
    root = Path.cwd()
    sys.path.insert(0, str(root))
    trip = Trip(root, start, None if end == "-" else end)
    sys.argv = [package, *words]
    sys.setprofile(trip)
    try:
        runpy.run_module(package, run_name="__main__")
    except SystemExit as error:
        code = error.code
    else:
        code = 0
    finally:
        sys.setprofile(None)
    print("\n".join(["", *trip.files]))
    # A package is one room, whatever its files; so is a module outside any package.
    rooms = {Path(*Path(file).parts[:2]) for file in trip.files}
    print(f"{len(rooms)} rooms, {len(trip.files)} files")
    return 1 if code or not trip._over else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
