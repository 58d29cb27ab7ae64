"""Steps that several commands share: load data, import keras, print the device."""

import contextlib
import glob
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fmkeras.backends import block_imports
from fmkeras.cli.make_words import in_make_words
from fmkeras.cli.terminal import suppress_native_logs
from fmkeras.errors import UserError
from fmkeras.models import plain_name
from fmkeras.process import signals


def load_data(args):
    """Return the data set that the flags of `flags.add_data` name."""
    from fmkeras.datasets import load_dataset

    return load_dataset(
        args.data,
        args.data_dir,
        seed=args.data_seed,
        train_size=args.train_size,
        test_size=args.test_size,
        resize=args.resize or "stretch",
        skip_bad=bool(args.skip_bad),
    )


def import_keras() -> None:
    """Import keras without the logs of its backends and without optional wrappers.

    A command computes the same whatever the user's keras.json asks for.
    """
    with signals.at_once(), suppress_native_logs():
        with block_imports("matplotlib", "sklearn"):
            import keras

    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def print_device(count: int = 1) -> None:
    """Print the backend and its devices, and why a GPU that is present is not used."""
    import_keras()
    import keras

    from fmkeras.engines import keep_compiled_steps
    from fmkeras.engines.device import describe_device, unusable_gpu

    keep_compiled_steps()
    times = f"{count} devices, each " if count > 1 else ""
    print(f"Backend {keras.backend.backend()}, {times}{describe_device()}", flush=True)
    reason = unusable_gpu()
    if reason:
        print(reason, file=sys.stderr)


@contextlib.contextmanager
def naming_what_goes_on() -> Iterator[None]:
    """Say after a signal that the same command goes on, of many trainings."""
    try:
        yield
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on.", flush=True)
        raise


def log_beside_bar(line: str) -> None:
    """Print a line, in make's words where make is used, above a bar that is shown."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stdout):
        print(in_make_words(line), flush=True)


def split_words(values: Iterable[str]) -> list[str]:
    """Return each name and path by itself, of arguments that may hold several.

    make gives a variable as one argument, whose words are names or paths; one that
    exists as a whole stays whole, so that a path may hold spaces, and so does the name
    of a network, such as 'logistic regression'.
    """
    words = []
    for value in values:
        if Path(value).exists():
            words.append(value)
            continue
        if (name := plain_name(value)) != value:
            words.append(name)
            continue
        try:
            words += shlex.split(value)
        except ValueError as error:
            raise UserError(
                f"A quote is not closed; expected names or paths. Received: {value}"
            ) from error
    return words


def expand_patterns(words: Iterable[str]) -> list[str]:
    """Return paths, with the files in place of a pattern such as photos/*.png."""
    paths = []
    for word in words:
        found = [] if Path(word).exists() else sorted(glob.glob(word))
        paths += found or [word]
    return paths
