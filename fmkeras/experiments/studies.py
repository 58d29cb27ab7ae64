"""Comparisons on validation images: which shape, and what each part of a recipe adds.

A study trains cases that differ in one thing and keeps a record of each. The test
images are not read, so that what is chosen by a study can be measured on them later.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.durations import Countdown
from fmkeras.errors import UserError
from fmkeras.experiments.study_cases import STUDIES, Case, Study
from fmkeras.files import write_json
from fmkeras.records import RECORDS, read_record


def find_study(name: str) -> Study:
    """Return a study by its name; raise `UserError` where there is none."""
    if name not in STUDIES:
        raise UserError(
            f"Unknown study; expected one of: {', '.join(STUDIES)}. Received: {name!r}"
        )
    return STUDIES[name]


def run_study(
    name: str,
    dataset: Dataset,
    *,
    seeds: Iterable[int] = (0,),
    epochs: int | None = None,
    labels: Iterable[str] = (),
    records: Path = RECORDS,
    runs: Path = Path("runs"),
    log: Callable[[str], None] = print,
) -> list[dict]:
    """Train the cases of a study, each seed in turn; return their records.

    Each is kept as `records/study-NAME/LABEL-seedN.json`. Cases whose record is there
    are not trained again, interrupted ones go on. Fewer or more `epochs` than the
    study's have a folder of their own; `labels` takes some cases only. Raises
    `UserError` for an unknown name, and for a case that cannot be trained.
    """
    from fmkeras.training.progress import TimeEstimate
    from fmkeras.training.run import fit

    study = find_study(name)
    recipe = study.recipe
    folder = f"study-{name}"
    if epochs is not None and epochs != recipe.epochs:
        recipe = recipe.replace(epochs=epochs)
        folder += f"-{epochs}-epochs"
    cases = _chosen(study, labels)
    found = []
    seeds = list(seeds)
    countdown = Countdown(len(seeds) * len(cases), "cases", log)
    for seed in seeds:
        for label, case in cases.items():
            file = f"{_file_name(label)}-seed{seed}"
            record = records / folder / f"{file}.json"
            if record.exists():
                log(f"{label}, seed {seed}: kept from before, {record}")
                found.append(read_record(record))
                countdown.skip()
                continue
            log(f"{label}, seed {seed}")
            fitted = fit(
                case.model,
                recipe.replace(**case.changes),
                dataset,
                folder=runs / folder / file,
                seed=seed,
                model_options=case.options,
                callbacks=[
                    TimeEstimate(recipe.batch_size, log, countdown.left, advise=False)
                ],
            )
            found.append({"study": name, "case": label, **fitted.record})
            write_json(record, found[-1])
            countdown.done()
    return found


def _chosen(study: Study, labels: Iterable[str]) -> dict[str, Case]:
    labels = list(labels) or list(study.cases)
    for label in labels:
        if label not in study.cases:
            raise UserError(
                f"The study has no such case; expected some of: "
                f"{'; '.join(study.cases)}. Received: {label!r}"
            )
    return {label: study.cases[label] for label in labels}


def _file_name(label: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in label).split()
    return "-".join(words)
