"""The command export: a search as an Optuna storage."""

import json
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.records import search_record


def add_command(add) -> None:
    """Declare export; `add(name, run, text, more)` returns a parser."""
    parser = add(
        "export",
        export,
        "write a search as a storage of Optuna",
        "optuna-dashboard opens it. A search that still runs is written as it stands.",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="of a search in RUNS/tune-NAME, or of one on record in saved_models",
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="default: runs")
    parser.add_argument("--resume", metavar="DIR", help="the folder of a search")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the SQLite file, written anew (default: RUNS/optuna-NAME.db)",
    )


def export(args) -> None:
    """Write the trials of one search to a SQLite file that Optuna reads."""
    path = _trials_file(args)
    from tuner.results.optuna_storage import check_optuna, write_storage

    check_optuna()
    name = args.name or path.parent.name.removeprefix("tune-")
    out = Path(args.out or Path(args.runs) / f"optuna-{name}.db")
    if out.exists() and not out.read_bytes()[:6] == b"SQLite":
        raise UserError(
            f"'{out}' is there already and is no storage; expected a file to make: "
            "move it away, or give another --out (make: OUT=)."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        count = write_storage(record, name, out)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The search '{path}' is damaged ({type(error).__name__}: {error}); "
            "expected what make tune wrote: restore it, or search again."
        ) from error
    print(f"Study {name}: {count} trials in {out}")
    print(f"Open it: .venv/bin/optuna-dashboard sqlite:///{out}")


def _trials_file(args) -> Path:
    if not (args.name or args.resume):
        raise UserError(
            "Which search? Expected NAME, or RESUME with its folder. Received: neither"
        )
    folder = Path(args.resume) if args.resume else Path(args.runs) / f"tune-{args.name}"
    places = [folder / "trials.json"]
    if not args.resume:
        places.append(search_record(args.name))
    for path in places:
        if path.is_file():
            return path
    expected = " or ".join(f"'{path}'" for path in places)
    raise UserError(
        f"There is no such search; expected {expected}: its first trial has not "
        f"ended, or NAME is another. Received: {args.resume or args.name}"
    )
