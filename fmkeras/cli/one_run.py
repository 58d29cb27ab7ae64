"""One training on the command line: what stands above it, its bar, and its result."""

from fmkeras.cli.session import import_keras, log_beside_bar, print_device
from fmkeras.errors import UserError
from fmkeras.recipes import Recipe, options_alike
from fmkeras.training.run_dir import (
    TrainingInterrupted,
    interrupted_runs,
    read_config,
    resume_text,
)

# How to find the data again.
DATA_ARGUMENTS = (
    "data",
    "data_dir",
    "data_seed",
    "train_size",
    "test_size",
    "resize",
    "skip_bad",
    "limit",
)
# Of a run, beside its recipe: config.json keeps them for resuming.
KEPT_ARGUMENTS = (
    *DATA_ARGUMENTS,
    "out",
    "model_save",
    "save",
    "compact",
    "init_from",
    "freeze",
    "log",
)


def run_training(args, recipe: Recipe, dataset, model_options: dict):
    """Train, print the result and return it: a `RunResult`, or None.

    `args` are those of `train`. None comes from the processes of a training on several
    devices that are not its first.
    """
    import_keras()
    from fmkeras.engines import parallel

    print_device(parallel.current().count)
    from fmkeras.training.header import ParametersLine
    from fmkeras.training.progress import TimeEstimate
    from fmkeras.training.run import train

    execution = _print_header(args, recipe, dataset)
    if args.resume is None:
        _name_interrupted_run(args, recipe, dataset, model_options)
    try:
        run = train(
            args.model,
            recipe,
            dataset,
            seed=args.seed,
            model_options=model_options,
            execution=execution,
            out=None if args.model_save is False else args.out,
            runs=args.runs,
            resume=args.resume,
            init_from=args.init_from,
            freeze=args.freeze,
            arguments={name: getattr(args, name, None) for name in KEPT_ARGUMENTS},
            save=args.save,
            compact=args.compact,
            log=getattr(args, "log", None) or (),
            callbacks=[
                ParametersLine(log_beside_bar),
                TimeEstimate(recipe.batch_size, log_beside_bar, args.trainings),
            ],
        )
    except TrainingInterrupted as interrupt:
        print(f"\n{interrupt}", flush=True)
        raise
    if run is not None:
        _print_result(run)
    return run


def _print_header(args, recipe: Recipe, dataset):
    """Print what is trained and how; return the `Execution`."""
    from fmkeras.datasets.splits import split_dataset
    from fmkeras.training.auto import find_execution
    from fmkeras.training.header import header_lines

    split = split_dataset(dataset, args.seed, recipe.data_split)
    execution = find_execution(
        args.resume, recipe, args.model, len(split.train), measure=True
    )
    for line in header_lines(args.model, dataset, split, recipe, execution, args.seed):
        print(line, flush=True)
    if execution.compile:
        print(
            "The training step is compiled first; this takes seconds to minutes, "
            "--compile no skips it.",
            flush=True,
        )
    return execution


def _print_result(run) -> None:
    from fmkeras.evaluation.text import evaluation_text

    print(f"\nTest images, weights of epoch {run.record['kept_epoch']}:")
    print(evaluation_text(run.evaluation))
    if run.artifact is not None:
        card = run.artifact.with_suffix(".json").name
        print(f"Model: {run.artifact} (card: {card})")
    print(f"Run:   {run.folder}")
    if run.note:
        print(run.note)


def _name_interrupted_run(args, recipe: Recipe, dataset, options: dict) -> None:
    """Say where a run of the same settings was interrupted, if one was."""
    import keras

    start = (args.init_from, args.freeze)
    wanted = (args.model, recipe.to_dict(), args.seed, keras.backend.backend())
    for folder in reversed(interrupted_runs(args.runs)):
        try:
            config = read_config(folder)
        except UserError:
            continue
        before = Recipe().to_dict() | dict(config.get("recipe") or {})
        found = (config["model"], before, config["seed"], config["backend"])
        arguments = config.get("arguments") or {}
        begun = (arguments.get("init_from"), arguments.get("freeze"))
        same_images = config["dataset"].get("checksum") == dataset.checksum
        same_options = options_alike(config["options"], options)
        if (found, begun) == (wanted, start) and same_images and same_options:
            print(f"The same training was interrupted before: {resume_text(folder)}")
            return
