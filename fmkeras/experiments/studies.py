"""Comparisons on validation images: which shape, and what each part of a recipe adds.

A study trains cases that differ in one thing and keeps a record of each. The test
images are not read, so that what is chosen by a study can be measured on them later.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.errors import Diverged, UserError, did_you_mean, unknown
from fmkeras.experiments.divide import divide
from fmkeras.experiments.study_cases import STUDIES, Case, Study
from fmkeras.files import write_json
from fmkeras.files.locks import wait_until_free
from fmkeras.recipes import Recipe, trained_alike
from fmkeras.records import RECORDS, read_record
from fmkeras.text.durations import Countdown
from fmkeras.training.run_dir import CONFIG, read_config


def find_study(name: str) -> Study:
    """Return a study by its name; raise `UserError` where there is none."""
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
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
    are not trained again, interrupted ones go on, those that diverge are passed over.
    Several processes divide the cases (see `divide`). Fewer or more `epochs` than the
    study's have a folder of their own; `labels` takes some cases only. Raises
    `UserError` for an unknown name, and for a case that cannot be trained.
    """
    from fmkeras.training.fit import fit
    from fmkeras.training.progress import TimeEstimate

    study = find_study(name)
    recipe = study.recipe
    folder = f"study-{name}"
    if epochs is not None and epochs != recipe.epochs:
        recipe = recipe.replace(epochs=epochs)
        folder += f"-{epochs}-epochs"
    tasks = [
        _Task(label, case, seed, f"{_file_name(label)}-seed{seed}")
        for seed in seeds
        for label, case in _chosen(study, labels).items()
    ]

    def record_of(task: _Task) -> Path:
        return records / folder / f"{task.file}.json"

    countdown = Countdown(len(tasks), "cases", log)
    for task in tasks:
        if record_of(task).exists():
            _read(record_of(task), task, recipe, dataset)
            log(f"{task}: kept from before, {record_of(task)}")
            countdown.skip()

    def work(task: _Task) -> None:
        log(str(task))
        estimate = TimeEstimate(recipe.batch_size, log, countdown.left, advise=False)
        run = _run_folder(runs / folder / task.file, task, recipe, dataset)
        wait_until_free(run, log)
        try:
            fitted = fit(
                task.case.model,
                recipe.replace(**task.case.changes),
                dataset,
                folder=run,
                seed=task.seed,
                model_options=task.case.options,
                callbacks=[estimate],
            )
        except Diverged as error:
            log(f"{task}: passed over. {error}")
        else:
            content = {"study": name, "case": task.label, **fitted.record}
            write_json(record_of(task), content)
        countdown.done()

    divide(
        tasks,
        is_done=lambda task: record_of(task).exists(),
        # Not that of the run, which training locks.
        folder_of=lambda task: runs / folder / "locks" / task.file,
        work=work,
        what=f"the study {name}",
        log=log,
    )
    found = [task for task in tasks if record_of(task).exists()]
    # Another process of this name may have trained other cases.
    return [_read(record_of(task), task, recipe, dataset) for task in found]


@dataclass(frozen=True)
class _Task:
    label: str
    case: Case
    seed: int
    file: str

    def __str__(self) -> str:
        return f"{self.label}, seed {self.seed}"


def _read(path: Path, task: _Task, recipe: Recipe, dataset: Dataset) -> dict:
    """Return a record; raise `UserError` where it is not of the case as it is today."""
    record = read_record(path)
    if not _is_of(record, task, recipe, dataset):
        raise UserError(
            f"The record '{path}' is of another network, recipe, data set or backend "
            f"than the case {task.label!r} has now; expected the same: move it away to "
            "train the case anew."
        )
    return record


def _is_of(told: dict, task: _Task, recipe: Recipe, dataset: Dataset) -> bool:
    import keras

    wanted = {
        "model": task.case.model,
        "options": task.case.options,
        "recipe": recipe.replace(**task.case.changes),
    }
    same_data = told["dataset"].get("checksum") == dataset.checksum
    same_backend = told["backend"] == keras.backend.backend()
    return same_data and same_backend and trained_alike(told, wanted)


def _run_folder(folder: Path, task: _Task, recipe: Recipe, dataset: Dataset) -> Path:
    """Return the folder of a case's run: another where one of other settings lies."""
    number, found = 1, folder
    while (found / CONFIG).exists():
        if _is_of(read_config(found), task, recipe, dataset):
            return found
        number += 1
        found = folder.with_name(f"{folder.name}-{number}")
    return found


def _chosen(study: Study, labels: Iterable[str]) -> dict[str, Case]:
    labels = list(labels) or list(study.cases)
    for label in labels:
        if label not in study.cases:
            raise UserError(
                f"The study has no such case; expected some of: "
                f"{'; '.join(study.cases)}.{did_you_mean(label, study.cases)} "
                f"Received: {label!r}"
            )
    return {label: study.cases[label] for label in labels}


def _file_name(label: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in label).split()
    return "-".join(words)
