"""The tables of a benchmark's record, for the README and for reading."""

import math
from collections.abc import Sequence

from fmkeras.benchmark.speed.machine import BUSY
from fmkeras.benchmark.speed.spread import Ratio, rate_text, ratio_of
from fmkeras.models import list_models, model_info
from fmkeras.models.summary import STEP_OPERATIONS
from fmkeras.report.tables.markdown import markdown_table

BASELINE = "pytorch-tensors"


def ratio_table(record: dict, what: str) -> str:
    """Return one row per network: the ratio of our rate to each baseline's.

    `what` is train or predict. A ratio is of medians of the same run, with the
    smallest and the largest of a round; the last row has the geometric means over the
    networks with inputs of 28 pixels.
    """
    labels = record["settings"]["contestants"]
    ours = [label for label in labels if label.startswith("ours-")]
    exact = [label for label in ours if "-bfloat16" not in label]
    torch = [label for label in ours if label.startswith("ours-torch")]
    columns = {f"{_short(label)} / plain": ([label], BASELINE) for label in torch}
    columns["best torch / plain"] = (torch, BASELINE)
    columns["best float32 / plain"] = (exact, BASELINE)
    columns |= {
        f"best / {_short(peer)}": (ours, peer) for peer in labels if peer not in ours
    }
    found = {
        head: ratios(record, own, peer, what) for head, (own, peer) in columns.items()
    }
    found = {head: column for head, column in found.items() if column}
    rows = []
    for name, entry in record["models"].items():
        cells = [_interval(column.get(name)) for column in found.values()]
        if "left_out" in entry:
            cells = [entry["left_out"], *cells[1:]]
        rows.append([f"`{name}`", *cells])
    small = [n for n in record["models"] if model_info(n).input_size == 28]
    means = [
        _ratio(geometric_mean([r.value for n, r in column.items() if n in small]))
        for column in found.values()
    ]
    rows.append(["geometric mean, 28 pixels", *means])
    return markdown_table(["network", *found], rows, "l" + "r" * len(found))


def rate_table(record: dict, what: str) -> str:
    """Return one row per network: images per second of every competitor.

    For `what` predict also the figure that the network's source names, and a row for
    each network that has such a figure and was not measured here.
    """
    labels = [
        label
        for label in record["settings"]["contestants"]
        if any(label in entry.get(what, {}) for entry in record["models"].values())
    ]
    heads = ["network", *map(_short, labels)]
    if what == "predict":
        heads.append("published, RTX 4090")
    rows = []
    for name, entry in record["models"].items():
        cells = ["" if "left_out" in entry else _rate(entry, what, n) for n in labels]
        if what == "predict":
            cells.append(_published_rate(name))
        rows.append([f"`{name}`", *cells])
    if what == "predict":
        rows += [
            [f"`{name}`", *[""] * len(labels), _published_rate(name)]
            for name in list_models()
            if _published_rate(name) and name not in record["models"]
        ]
    return markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))


def _published_rate(name: str) -> str:
    rate = model_info(name).published_rate
    return "" if rate is None else f"{rate:,.0f}"


def cost_table(record: dict) -> str:
    """Return one row per network: first step, memory, share of the machine's peak.

    Of our engine on torch in float32, its compiled first steps too, and of the plain
    PyTorch loop beside it.
    """
    found = record["settings"]["contestants"]
    pair = [n for n in ("ours-torch", BASELINE) if n in found]
    compiled = [n for n in found if n.startswith("ours-torch") and "-compiled" in n]
    columns = (
        ("first step", "first_step", " s", [*pair, *compiled]),
        ("first prediction", "first_prediction", " s", pair),
        ("peak memory", "peak_memory_mb", " MB", pair),
    )
    heads = ["network", "multiply-adds"]
    heads += [f"{text}, {_short(n)}" for text, _, _, labels in columns for n in labels]
    heads += [f"share of peak, {_short(label)}" for label in pair]
    rows = []
    for name, entry in record["models"].items():
        if "left_out" in entry:
            continue
        cells = [f"{entry['multiply_adds'] / 1e6:,.2f} M"]
        for _, key, unit, labels in columns:
            cells += [_with_unit(entry[key].get(label), unit) for label in labels]
        for label in pair:
            share = _share_of_peak(record, entry, label)
            cells.append("" if share is None else f"{100 * share:.0f} %")
        rows.append([f"`{name}`", *cells])
    return markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))


def profile_table(record: dict) -> str:
    """Return one row per network: milliseconds per step by kind of operation.

    Of our engine on torch in float32 and, where it was measured, in bfloat16, and of
    the plain PyTorch loop; none of them compiled.
    """
    measured = record["settings"]["contestants"]
    labels = ("ours-torch", "ours-torch-bfloat16", BASELINE)
    labels = [label for label in labels if label in measured]
    rows, kinds = [], []
    for name, entry in record["models"].items():
        found = [entry.get("profile", {}).get(label) for label in labels]
        if all(found):
            kinds = list(found[0])
            cells = [
                " / ".join(f"{times[kind]:.1f}" for times in found) for kind in kinds
            ]
            rows.append([f"`{name}`", *cells])
    return markdown_table(["network", *kinds], rows, "l" + "r" * len(kinds))


def scaling_table(record: dict) -> str:
    """Return one row per network and size: images per second of every competitor."""
    labels = record["settings"]["contestants"]
    rows = []
    for name, entry in record["models"].items():
        for kind, text in (("batch", "batches of {}"), ("side", "{0} x {0} pixels")):
            for size, figures in entry[kind].items():
                cells = [rate_text(figures[label]) for label in labels]
                rows.append([f"`{name}`", text.format(size), *cells])
    heads = ["network", "size", *map(_short, labels)]
    return markdown_table(heads, rows, "ll" + "r" * len(labels))


def augmentation_table(record: dict) -> str:
    """Return one row per network and backend: the cost of augmentation in percent.

    A step with augmentation against one without, medians of the same rounds.
    """
    kinds = [kind for kind in record["settings"]["augmentations"] if kind != "none"]
    rows = []
    for name, entry in record["models"].items():
        found = entry["augmentation"]
        for label in record["settings"]["contestants"]:
            if label in found:
                plain = found[label]["median"]
                ratios = [plain / found[f"{label}-{kind}"]["median"] for kind in kinds]
                cells = [f"{100 * (ratio - 1):+.0f} %" for ratio in ratios]
                rows.append([f"`{name}`", _short(label), *cells])
    return markdown_table(["network", "ours on", *kinds], rows, "ll" + "r" * len(kinds))


def benchmark_note(record: dict) -> str:
    """Return a line on the settings and the machine."""
    settings, machine = record["settings"], record["machine"]
    whole = record.get("whole_run")
    text = (
        f"Batch {settings['batch_size']}, {machine_text(record)}; medians of "
        f"{settings['rounds']} alternating rounds of about "
        f"{settings['seconds_a_round']:g} s each, or more where they differ much. "
        "Behind ± stands half the interval that holds the median in 15 of 16 cases, in "
        "brackets that of the ratio; of five rounds it is their range. "
        "A matrix product reaches "
        f"{machine['float32'] / 1e9:,.0f} GFLOP/s in float32"
    )
    if "bfloat16" in machine:
        text += f" and {machine['bfloat16'] / 1e9:,.0f} in bfloat16."
    else:
        text += "; the device has no hardware for bfloat16."
    if whole is None:
        return text
    return (
        f"{text} `make train MODEL=lenet EPOCHS=1`, imports included, takes "
        f"{whole['ratio']:.2f} times as long as a plain PyTorch script of the same "
        f"training (medians of {len(whole['ours'])} turns)."
    )


def machine_text(record: dict) -> str:
    """Return device, processor, threads and load of a record, and a warning.

    Records of before there was more have the number of cores alone.
    """
    machine, device = record["machine"], record["settings"]["device"]
    if "processor" not in machine:
        return f"{device.upper()} with {machine['cores']} cores"
    name = machine.get("gpu") or machine["processor"]
    text = (
        f"{device.upper()} ({name}), {machine['cores']} cores, {machine['threads']} "
        f"threads, load {machine['load']:g} before"
    )
    busy = [machine["busy_cores"]]
    busy += [entry.get("busy_cores") for entry in record["models"].values()]
    most = max(one or 0.0 for one in busy)
    if most > BUSY:
        text += f", **beside other work that kept up to {most:.1f} cores busy**"
    return text


def ratios(record: dict, ours: Sequence[str], peer: str, what: str) -> dict[str, Ratio]:
    """Return, for each network, the best of `ours` over `peer`; labels as in records.

    `what` is train or predict. Networks without both figures are left out.
    """
    found = {}
    for name, entry in record["models"].items():
        figures = entry.get(what, {})
        own = [figures[label] for label in ours if label in figures]
        if own and peer in figures:
            best = max(own, key=lambda one: one["median"])
            found[name] = ratio_of(best, figures[peer])
    return found


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean; NaN of nothing."""
    values = list(values)
    if not values:
        return math.nan
    return math.exp(sum(map(math.log, values)) / len(values))


def _interval(ratio: Ratio | None) -> str:
    return "" if ratio is None else ratio.to_text()


def _short(label: str) -> str:
    if label == BASELINE:
        return "plain"
    return label.removeprefix("ours-").removeprefix("pytorch-").replace("-", " ")


def _rate(entry: dict, what: str, label: str) -> str:
    if label in entry["failed"]:
        return "failed"
    return rate_text(entry[what][label])


def _share_of_peak(record: dict, entry: dict, label: str) -> float | None:
    if label not in entry["train"]:
        return None
    operations = STEP_OPERATIONS * entry["multiply_adds"]
    rate = entry["train"][label]["median"]
    return operations * rate / record["machine"]["float32"]


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.4g}{unit}"


def _ratio(value: float | None) -> str:
    # NaN is the mean of nothing.
    return "" if value is None or value != value else f"{value:.2f}"
