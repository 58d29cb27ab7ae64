"""The two tables of the README: every network's accuracy, and speed in brief."""

from collections import defaultdict
from pathlib import Path

from fmkeras.experiments.reproduce import study_records
from fmkeras.experiments.summary import summarise
from fmkeras.experiments.zoo.plan import zoo_names
from fmkeras.models import list_own_models, model_info
from fmkeras.recipes import find_recipe, learns_alike
from fmkeras.records import read_records, saved_card, study_names
from fmkeras.report.tables.markdown import markdown_table, mean_and_spread, percent
from fmkeras.report.tables.speed import BASELINE, geometric_mean, machine_text, ratios

_TRAINING_IMAGES = 60_000
_NOT_RUN = "not run"
_TORCH = (
    "ours-torch",
    "ours-torch-bfloat16",
    "ours-torch-compiled",
    "ours-torch-bfloat16-compiled",
)
# (our variant, its labels, the baseline, its label).
_PAIRS = (
    ("torch, float32", _TORCH[:1], "plain PyTorch loop", BASELINE),
    ("torch, float32, compiled", _TORCH[2:3], "plain PyTorch loop", BASELINE),
    (
        "torch, float32",
        _TORCH[:1],
        "Keras `fit` / `predict` on torch",
        "keras-fit-torch",
    ),
    ("torch, float32", _TORCH[:1], "PyTorch with a DataLoader", "pytorch-loader"),
    ("torch, bfloat16", _TORCH[1:2], "tuned PyTorch loop", "pytorch-tuned"),
)
# Without hardware for bfloat16 the tuned loop computes in float32.
_TUNED = ("torch, float32", _TORCH[:1], "tuned PyTorch loop", "pytorch-tuned")


def accuracy_table(root: Path) -> str:
    """Return one row a network: parameters, source, the published figure, and ours.

    Ours are mean and sample standard deviation over seeds, by the source's protocol
    and by the network's default recipe. The published figure and ours by the protocol
    are both of the last epoch. This project's own networks have no source. A column's
    head says how many networks of the sources were run by their protocol.
    """
    records = root / "saved_models/records"
    by_recipe = default_runs(root)
    own = list_own_models()
    rows = []
    for name in zoo_names():
        info = model_info(name)
        rows.append(
            (
                f"`{name}`",
                f"{info.parameters:,}",
                info.source,
                percent(info.published_accuracy) or ("" if name in own else "none"),
                "" if name in own else _protocol_cell(name, records),
                _cell(by_recipe.get(name)),
            )
        )
    cells = [row[4] for row in rows if row[0].strip("`") not in own]
    count = sum(cell != _NOT_RUN for cell in cells)
    heads = (
        "network",
        "parameters",
        "source",
        "published",
        f"ours, by its settings ({count} of {len(cells)} run)",
        "ours, by our recipe",
    )
    return markdown_table(heads, rows, "lrlrrr")


def default_runs(root: Path) -> dict[str, dict]:
    """Return for each network the summary of its runs by the default recipe.

    A run counts whose recipe is today's, precision and compilation aside; that of a
    saved model too, by its card. Where runs differ in backend or precision, those of
    the most seeds are taken, never those of the best figure.
    """
    names = zoo_names()
    recipes = {name: find_recipe("default", name) for name in names}
    records = root / "saved_models/records"
    studies = study_names(records)
    runs = [one for study in studies for one in read_records(study, records)]
    runs += filter(None, (saved_card(root, name) for name in names))
    groups = defaultdict(dict)
    for record in runs:
        name = record.get("model")
        # A study measures on validation images alone.
        if name not in recipes or "test" not in record:
            continue
        if record["dataset"]["name"] != "fashion-mnist":
            continue
        if record.get("options") or record.get("start"):
            continue
        told = record["dataset"]
        if (
            told.get("train", _TRAINING_IMAGES) + told.get("validation", 0)
            < _TRAINING_IMAGES
        ):
            # Of some of the images only.
            continue
        if not learns_alike(record["recipe"], recipes[name]):
            continue
        if record["parameters"] != model_info(name).parameters:
            continue
        key = (record["precision"] != "float32", record["backend"])
        groups[name].setdefault(key, {}).setdefault(record["seed"], record)
    chosen = {}
    for name, found in groups.items():
        key = min(found, key=lambda key: (-len(found[key]), key))
        [chosen[name]] = summarise(
            record | {"recipe": record["recipe"] | {"name": "default"}}
            for record in found[key].values()
        )
    return chosen


def speed_overview(record: dict) -> str:
    """Return a few comparisons: geometric mean over networks, and their range.

    Every row has one fixed variant of ours.
    """
    rows = []
    low = _TORCH[1] in record["settings"]["contestants"]
    for ours, labels, beside, peer in _PAIRS if low else (*_PAIRS, _TUNED):
        cells = []
        for what in ("train", "predict"):
            by_network = ratios(record, labels, peer, what)
            found = [ratio.value for ratio in by_network.values()]
            cells.append(
                f"{geometric_mean(found):.2f} ({min(found):.2f} to {max(found):.2f})"
                if found
                else ""
            )
        if any(cells):
            rows.append((ours, beside, *cells))
    heads = ("fmkeras on", "compared with", "training", "inference")
    return f"{markdown_table(heads, rows, 'llrr')}\n\n{speed_note(record)}"


def speed_note(record: dict) -> str:
    """Return the sentences under the overview: networks, batch, machine, start-up."""
    settings, whole = record["settings"], record.get("whole_run")
    count = len(ratios(record, _TORCH[:1], BASELINE, "train"))
    text = (
        f"Ratios of images per second: geometric mean over {count} networks (lowest to "
        f"highest), batch {settings['batch_size']}, {machine_text(record)}."
    )
    if whole is None:
        return text
    return (
        f"{text} A training of lenet for one epoch, imports, evaluation and saving "
        f"included, takes {whole['ratio']:.2f} times as long as a plain PyTorch script."
    )


def _protocol_cell(name: str, records: Path) -> str:
    rows = summarise(study_records(name, records))
    if not rows:
        return _NOT_RUN
    row = max(rows, key=lambda row: len(row["seeds"]))
    epochs = find_recipe("published", name).epochs
    short = "" if row["epochs"] == epochs else f" ({row['epochs']} of {epochs} epochs)"
    return _cell(row) + short


def _cell(row: dict | None) -> str:
    return _NOT_RUN if row is None else mean_and_spread(row)
