"""The commands of `python -m tuner`, each with its flags."""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

from fmkeras.backends import set_backend
from fmkeras.cli import flags
from fmkeras.cli.make_words import in_own_words
from fmkeras.cli.parser import Parser
from fmkeras.cli.session import import_keras, load_data, print_device
from fmkeras.errors import UserError
from fmkeras.files.locks import locked
from fmkeras.models import model_info
from fmkeras.process.signals import die_with_parent
from tuner.export_cli import add_command as add_export
from tuner.settings import (
    DATA_FLAGS,
    OBJECTIVES,
    SEARCHES,
    Settings,
    default_name,
    make_settings,
    read_settings,
    save_or_check,
)
from tuner.spaces.builtin import NAMES

# Where a chief listens.
PORT = 8765


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `run` in its result is the function."""
    parser = Parser(prog="tuner", description="Search for recipes with KerasTuner.")
    parser.set_defaults(run=lambda args: parser.print_help(), parser=parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    search_parser = _command(
        subparsers,
        "search",
        search,
        "search in this process, or with several workers",
        "The same command goes on with a search that was interrupted.",
    )
    _add_search(search_parser)
    _add_workers(search_parser)
    chief_parser = _command(
        subparsers,
        "chief",
        chief,
        "search with workers on other machines",
        "They share the folder of runs with this one.",
    )
    _add_search(chief_parser)
    chief_parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="HOST",
        help="to listen at; 0.0.0.0 for workers elsewhere, which need the token "
        "in the folder of the search (default: 127.0.0.1, this machine)",
    )
    chief_parser.add_argument(
        "--port",
        type=flags.whole_number,
        default=PORT,
        metavar="N",
        help=f"to listen at (default: {PORT})",
    )
    worker_parser = _command(
        subparsers,
        "worker",
        worker,
        "train trials of a chief",
        "It ends when the search is complete.",
    )
    worker_parser.add_argument(
        "--chief", required=True, metavar="HOST:PORT", help="where the chief listens"
    )
    _add_folder(worker_parser)
    flags.add_data_dir(worker_parser)
    _add_workers(worker_parser)
    worker_parser.add_argument("--one", help=argparse.SUPPRESS)
    worker_parser.add_argument("--cores", help=argparse.SUPPRESS)
    worker_parser.set_defaults(trials=None)
    add_export(lambda *words: _command(subparsers, *words))
    return parser


def _add_search(parser) -> None:
    parser.add_argument("--model", metavar="NAME", help="see 'fmkeras models'")
    parser.add_argument(
        "--space",
        default="wide",
        metavar="NAME|FILE",
        help=f"one of {', '.join(NAMES)}, or a .json or .py file (default: wide)",
    )
    parser.add_argument(
        "--run-space-code",
        action="store_true",
        help="run a .py space although the file is another user's",
    )
    parser.add_argument(
        "--search",
        metavar="NAME",
        help=f"one of {', '.join(SEARCHES)} (default: grid for a published grid, "
        "else random)",
    )
    parser.add_argument(
        "--trials",
        type=flags.whole_number,
        metavar="N",
        help="at most so many (default: all of a grid, 20 of random and bayesian)",
    )
    parser.add_argument(
        "--epochs",
        type=flags.whole_number,
        metavar="N",
        help="of each trial; with hyperband the most (default: the recipe's)",
    )
    parser.add_argument(
        "--objective",
        default="val_accuracy",
        metavar="NAME",
        help=f"one of {', '.join(OBJECTIVES)} (default: val_accuracy)",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help="what is not chosen: as train has it (default: the space's own)",
    )
    flags.add_seed(parser)
    _add_folder(parser)
    flags.add_backend(parser)
    parser.add_argument(
        "--record",
        metavar="NAME",
        help="at the end keep trials and heat map in saved_models as tune-NAME",
    )
    flags.add_data(parser)


def _add_workers(parser) -> None:
    parser.add_argument(
        "--workers",
        type=flags.positive_number,
        default=1,
        metavar="N",
        help="processes on this machine, which share its cores (default: 1)",
    )


def _add_folder(parser) -> None:
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="the search lies in RUNS/tune-NAME (default: made from the settings)",
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="default: runs")
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="the folder of a search to go on with; its settings are in it",
    )


def _command(
    subparsers, name: str, run: Callable, text: str, more: str
) -> argparse.ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}. {more}"
    parser = subparsers.add_parser(name, help=text, description=description)
    parser.set_defaults(run=run, parser=parser)
    return parser


def search(args) -> None:
    """Search in this process, or with several workers of this machine."""
    settings, dataset, folder = _prepare(args)
    with _begun(args, settings, dataset, folder):
        from tuner.run import search_here, search_with_workers

        if args.workers == 1:
            rows = search_here(settings, dataset, folder)
        else:
            names = [f"worker{number}" for number in range(args.workers)]
            data_dir = _data_dir(args)
            rows = search_with_workers(settings, folder, "127.0.0.1:0", names, data_dir)
        _end(args, settings, folder, rows)


def chief(args) -> None:
    """Search with workers that are started elsewhere."""
    settings, dataset, folder = _prepare(args)
    with _begun(args, settings, dataset, folder):
        from tuner.run import search_with_workers

        address = f"{args.host}:{args.port}"
        rows = search_with_workers(settings, folder, address, [])
        _end(args, settings, folder, rows)


def worker(args) -> None:
    """Train trials of a chief: as one worker, or tend several that do."""
    from tuner.distributed.workers import Workers, run_workers

    host, _, port = args.chief.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"Which chief? Expected HOST:PORT. Received: {args.chief!r}")
    folder = _folder_of(args)
    if args.one:
        # At once: its trial goes on from its last checkpoint.
        die_with_parent(signal.SIGKILL)
        cores = {int(core) for core in args.cores.split(",")}
        os.sched_setaffinity(0, cores)
        settings, dataset, folder = _prepare(args)
        import_keras()
        from tuner.run import work

        work(settings, dataset, folder, args.chief, args.one)
        return
    read_settings(folder)
    # KerasTuner takes a worker whose name holds 'chief' for the chief.
    machine = platform.node().replace("chief", "c") or "machine"
    names = [f"{machine}-{os.getpid()}-{number}" for number in range(args.workers)]
    run_workers(Workers(folder, args.chief, names, _data_dir(args)))


def _prepare(args):
    """Return the settings, the images and the folder that the flags stand for."""
    if args.resume:
        folder = _folder_of(args)
        settings = read_settings(folder)
        _refuse_others(args, settings)
        if args.trials is not None:
            settings = dataclasses.replace(settings, trials=args.trials)
    else:
        settings = make_settings(args)
        folder = Path(args.runs) / f"tune-{args.name or default_name(settings)}"
    set_backend(settings.backend)
    for name in DATA_FLAGS:
        # Searches of before know neither resize nor skip_bad.
        setattr(args, name, settings.data.get(name))
    dataset = load_data(args)
    data = settings.data | {"checksum": dataset.checksum}
    if args.resume and data != settings.data:
        raise UserError(
            "These are other images than the search began with; expected the same: "
            f"check DATA_DIR. Received: {dataset.source}"
        )
    return dataclasses.replace(settings, data=data), dataset, folder


def _refuse_others(args, settings: Settings) -> None:
    """Raise `UserError` where a typed flag asks for another search than goes on."""
    told = {
        "model": settings.model,
        "space": settings.space.name,
        # It stands in the settings field by field.
        "recipe": None,
        "search": settings.search,
        "objective": settings.objective,
        "seed": settings.seed,
        "backend": settings.backend,
        "epochs": settings.recipe.epochs,
    }
    for name in DATA_FLAGS:
        # As in `_prepare`, a search of before may lack some.
        told[name] = settings.data.get(name, args.parser.get_default(name))
    for name, value in told.items():
        flag = f"--{name.replace('_', '-')}"
        if flag not in args.typed:
            continue
        given = getattr(args, name)
        if name == "model":
            given = model_info(given).name
        if name == "space":
            given = Path(given).stem
        if given != value:
            raise UserError(
                f"The search that goes on has its own {name}; expected "
                f"{'no such flag' if value is None else value}: leave {flag} out. "
                f"Received: {given}"
            )


@contextlib.contextmanager
def _begun(args, settings: Settings, dataset, folder: Path):
    """Hold the lock of the folder, and say what is to be done."""
    with locked(folder, "a search"):
        save_or_check(folder, settings)
        print_device()
        print(
            f"Search {folder}: {settings.search} over {settings.space.name}, "
            f"{settings.model} on {dataset.name} ({dataset.source})",
            flush=True,
        )
        try:
            yield
        except KeyboardInterrupt:
            again = shlex.join(["make", "tune", f"RESUME={folder}"]) + _place(args)
            print(f"Search interrupted; {in_own_words(again)} goes on.", flush=True)
            raise


def _end(args, settings: Settings, folder: Path, rows: list[dict]) -> None:
    from tuner.results.plots import draw_pictures
    from tuner.results.ranking import ranking_text

    print(ranking_text(rows, settings))

    names = [path.name for path in draw_pictures(folder, settings, rows)]
    if (folder / "best.json").exists():
        best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
        print(f"Again: {in_own_words(best['again'] + _place(args))}")
    print(f"All of it: {folder} ({', '.join(['trials.csv', 'trials.json', *names])})")
    if args.record:
        from tuner.results.record import keep_record

        for path in keep_record(folder, args.record):
            print(f"Kept: {path}")


def _folder_of(args) -> Path:
    if args.resume:
        return Path(args.resume)
    if not args.name:
        raise UserError(
            "Which search? Expected NAME, or RESUME with its folder. Received: neither"
        )
    return Path(args.runs) / f"tune-{args.name}"


def _place(args) -> str:
    """Return where the images lie: a matter of this machine, not of the search."""
    return f" DATA_DIR={shlex.quote(args.data_dir)}" if args.data_dir else ""


def _data_dir(args) -> list[str]:
    return ["--data-dir", args.data_dir] if args.data_dir else []
