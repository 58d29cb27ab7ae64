"""What each command of `python -m tuner` does, given its parsed arguments."""

import contextlib
import dataclasses
import json
import os
import platform
from pathlib import Path

from fmkeras.backends import set_backend
from fmkeras.command_parts import import_keras, load_data, print_device
from fmkeras.errors import UserError
from fmkeras.models import model_info
from fmkeras.recipes import find_recipe
from tuner.lock import locked
from tuner.published import BATCH_LR_GRID, STANDARDISE_GRID
from tuner.settings import Settings, claim, read_settings
from tuner.space_files import find_space

DEFAULT_TRIALS = 20
DATA_FLAGS = ("data", "data_seed", "train_size", "test_size")


def search(options) -> None:
    """Search in this process, or with several workers of this machine."""
    if options.workers < 1:
        raise UserError(f"Bad WORKERS; expected 1 or more. Received: {options.workers}")
    settings, dataset, folder = _prepare(options)
    with _begun(settings, dataset, folder):
        from tuner.run import search_here, search_with_workers

        if options.workers == 1:
            rows = search_here(settings, dataset, folder)
        else:
            names = [f"worker{number}" for number in range(options.workers)]
            data_dir = _data_dir(options)
            rows = search_with_workers(settings, folder, "127.0.0.1:0", names, data_dir)
        _end(options, settings, folder, rows)


def chief(options) -> None:
    """Search with workers that are started elsewhere."""
    settings, dataset, folder = _prepare(options)
    with _begun(settings, dataset, folder):
        from tuner.run import search_with_workers

        address = f"{options.host}:{options.port}"
        rows = search_with_workers(settings, folder, address, [])
        _end(options, settings, folder, rows)


def worker(options) -> None:
    """Train trials of a chief: as one worker, or tend several that do."""
    from tuner.workers import Workers, live_with_parent, run_workers

    host, _, port = options.chief.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"Which chief? Expected HOST:PORT. Received: {options.chief!r}")
    folder = _folder_of(options)
    if options.one:
        live_with_parent()
        cores = {int(core) for core in options.cores.split(",")}
        os.sched_setaffinity(0, cores)
        settings, dataset, folder = _prepare(options)
        import_keras()
        from tuner.run import work

        work(settings, dataset, folder, options.chief, options.one)
        return
    read_settings(folder)
    # KerasTuner takes a worker whose name holds 'chief' for the chief.
    machine = platform.node().replace("chief", "c") or "machine"
    names = [f"{machine}-{os.getpid()}-{number}" for number in range(options.workers)]
    run_workers(Workers(folder, options.chief, names, _data_dir(options)))


def _prepare(options):
    """Return the settings, the images and the folder that the flags stand for."""
    if options.resume:
        folder = _folder_of(options)
        settings = read_settings(folder)
        if options.trials is not None:
            settings = dataclasses.replace(settings, trials=options.trials)
    else:
        settings = make_settings(options)
        folder = Path(options.runs) / f"tune-{options.name or default_name(settings)}"
    set_backend(settings.backend)
    for name in DATA_FLAGS:
        setattr(options, name, settings.data[name])
    dataset = load_data(options)
    data = settings.data | {"checksum": dataset.checksum}
    if options.resume and data != settings.data:
        raise UserError(
            "These are other images than the search began with; expected the same: "
            f"check DATA_DIR. Received: {dataset.source}"
        )
    return dataclasses.replace(settings, data=data), dataset, folder


@contextlib.contextmanager
def _begun(settings: Settings, dataset, folder: Path):
    """Hold the lock of the folder, and say what is to be done."""
    with locked(folder):
        claim(folder, settings)
        print_device()
        print(
            f"Search {folder}: {settings.search} over {settings.space.name}, "
            f"{settings.model} on {dataset.name} ({dataset.source})",
            flush=True,
        )
        try:
            yield
        except KeyboardInterrupt:
            print(f"Search interrupted; make tune RESUME={folder} goes on.", flush=True)
            raise


def _end(options, settings: Settings, folder: Path, rows: list[dict]) -> None:
    from tuner.pictures import draw_pictures

    names = [path.name for path in draw_pictures(folder, settings, rows)]
    if (folder / "best.json").exists():
        print(f"Again: {json.loads((folder / 'best.json').read_text())['again']}")
    print(f"All of it: {folder} ({', '.join(['trials.csv', 'trials.json', *names])})")
    if options.record:
        from tuner.record import keep_record

        for path in keep_record(folder, options.record):
            print(f"Kept: {path}")


def _folder_of(options) -> Path:
    if options.resume:
        return Path(options.resume)
    if not options.name:
        raise UserError(
            "Which search? Expected NAME, or RESUME with its folder. Received: neither"
        )
    return Path(options.runs) / f"tune-{options.name}"


def _data_dir(options) -> list[str]:
    return ["--data-dir", options.data_dir] if options.data_dir else []


def make_settings(options) -> Settings:
    """Return the settings that the flags stand for."""
    if options.model is None:
        raise UserError("Which network? Expected MODEL, as 'make models' lists them.")
    model_info(options.model)
    space = find_space(options.space, options.model)
    if options.recipe is not None:
        recipe = find_recipe(options.recipe, options.model)
        # The published ones train on all images; a search needs some to choose by.
        recipe = dataclasses.replace(recipe, data_split="holdout")
    else:
        recipe = space.recipe or find_recipe("default", options.model)
    recipe = _change(recipe, space.changes)
    if options.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    published = space in (BATCH_LR_GRID, STANDARDISE_GRID)
    kind = options.search or ("grid" if published else "random")
    trials = options.trials
    if trials is None and kind in ("random", "bayesian"):
        trials = DEFAULT_TRIALS
    return Settings(
        model=options.model,
        backend=options.backend,
        search=kind,
        space=space,
        recipe=dataclasses.replace(recipe, name=space.name),
        objective=options.objective,
        seed=options.seed,
        trials=trials,
        data={name: getattr(options, name) for name in DATA_FLAGS},
    )


def default_name(settings: Settings) -> str:
    """Return a name that tells one search from another."""
    return (
        f"{settings.model}-{settings.space.name}-{settings.search}-"
        f"{settings.backend}-seed{settings.seed}"
    )


def _change(recipe, changes: dict):
    try:
        return dataclasses.replace(recipe, **changes)
    except TypeError as error:
        raise UserError(
            "The space's recipe holds unknown fields; expected those of a recipe. "
            f"Received: {', '.join(changes)}"
        ) from error
