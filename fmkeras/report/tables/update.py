"""The tables of the READMEs and of docs/, made from cards and records.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; what is
between them is replaced. Nothing in it is typed by hand.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.experiments.summary import kind_of, kinds_of_runs, summarise
from fmkeras.experiments.zoo.plan import zoo_names
from fmkeras.files import replacing
from fmkeras.models import model_info
from fmkeras.records import (
    AUDIT,
    FUZZ,
    PARITY,
    RECORDS,
    SAVED_MODELS,
    devices_record,
    fit_record,
    read_records,
    saved_card,
    search_record,
    speed_record,
)
from fmkeras.report.tables.audit import audit_table
from fmkeras.report.tables.devices import computed_table, devices_table, links_table
from fmkeras.report.tables.exports import exports_table
from fmkeras.report.tables.finetune import finetune_table
from fmkeras.report.tables.fit import fit_table
from fmkeras.report.tables.fuzz import fuzz_table
from fmkeras.report.tables.interruptions import interruptions_table
from fmkeras.report.tables.markdown import markdown_table, mean_and_spread, percent
from fmkeras.report.tables.overview import accuracy_table, speed_overview
from fmkeras.report.tables.parity import parity_table
from fmkeras.report.tables.published import (
    faults_table,
    published_classes_table,
    published_epochs_table,
    published_shirts_table,
    published_table,
)
from fmkeras.report.tables.speed import (
    augmentation_table,
    benchmark_note,
    cost_table,
    profile_table,
    rate_table,
    ratio_table,
    scaling_table,
)
from fmkeras.report.tables.speedruns import speedrun_table
from fmkeras.report.tables.studies import (
    additions_table,
    comparison_table,
    rates_table,
)
from fmkeras.report.tables.tuning import tuning_table

_TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
PAGES = ("README.md", "saved_models/README.md", "docs/**/*.md")


def update_tables(root: Path, write: bool = True) -> list[str]:
    """Generate every table under `root`; return the files whose text changed.

    With `write` off nothing is written: the files named are stale. Raises
    `UserError` for a table of an unknown name.
    """
    changed = []
    for path in find_pages(root):
        name = path.relative_to(root).as_posix()
        before = path.read_text(encoding="utf-8")
        after = _TABLE.sub(lambda match: _fill(match, root), before)
        if after != before:
            changed.append(name)
            if write:
                with replacing(path) as temporary:
                    temporary.write_text(after, encoding="utf-8")
    return changed


def find_pages(root: Path) -> list[Path]:
    """Return every Markdown page that may hold tables."""
    return [path for pattern in PAGES for path in sorted(root.glob(pattern))]


def _fill(match: re.Match, root: Path) -> str:
    name, _, argument = match.group(2).partition("=")
    if name not in _TABLES:
        raise UserError(
            f"Unknown table; expected one of: {', '.join(_TABLES)}. Received: {name!r}"
        )
    return f"{match.group(1)}\n{_TABLES[name](root, argument)}\n\n{match.group(3)}"


def networks_table(root: Path, argument: str = "") -> str:
    """All networks: source, parameters, the published figure, the saved file's."""
    rows = []
    for name in zoo_names():
        info = model_info(name)
        card = saved_card(root, name)
        rows.append(
            (
                f"`{name}`",
                info.source,
                f"{info.parameters:,}",
                f"{info.input_size} x {info.input_size}",
                percent(info.published_accuracy),
                percent(card["test"]["accuracy"]) if card else "",
            )
        )
    heads = ("network", "from", "parameters", "sees", "published", "ours (saved file)")
    return markdown_table(heads, rows, "llrrrr")


def overview_table(root: Path, argument: str = "") -> str:
    """All networks in brief: parameters, the published figure, and ours by seed."""
    return accuracy_table(root)


def saved_table(root: Path, argument: str = "") -> str:
    """Every model of saved_models, from its card; of some there is no file."""
    rows = []
    for path in sorted((root / SAVED_MODELS).glob("[!.]*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        low, high = card["test"]["accuracy_interval_95"]
        recipe = card["recipe"]
        rows.append(
            (
                _file_cell(card),
                f"{card['parameters']:,}",
                f"{card['bytes'] / 1e6:.2f} MB",
                _bits_cell(card),
                percent(card["test"]["accuracy"]),
                f"{100 * low:.2f} to {100 * high:.2f} %",
                card["dataset"]["name"],
                f"{recipe['name']}, epoch {card['kept_epoch']} of {card['epochs']}",
                f"{card['backend']} {card['versions'].get(card['backend'], '')}",
                str(card["seed"]),
                f"[card]({path.stem}.json)",
            )
        )
    heads = (
        "file",
        "parameters",
        "size",
        "bits",
        "test accuracy",
        "95 % interval",
        "data",
        "recipe",
        "backend",
        "seed",
        "",
    )
    return markdown_table(heads, rows, "lrrrrllllrl")


def _file_cell(card: dict) -> str:
    if card["file"]:
        return f"[`{card['file']}`]({card['file']})"
    return f"card alone: `{card['remake']}`"


def _bits_cell(card: dict) -> str:
    """Return the significant bits of the weights, and what rounding them cost."""
    facts = card.get("rounding")
    if not facts:
        return "24"
    lost = 100 * (facts["accuracy"] - facts["accuracy_before"])
    return f"{facts['significant_bits']} ({lost:+.2f})"


def study_table(root: Path, argument: str) -> str:
    """The runs of one study: mean and spread of the test accuracy over seeds."""
    records = read_records(argument, root / RECORDS)
    rows = []
    for row in summarise([*records, *_saved_of_kind(root, records)]):
        rows.append(
            (
                f"`{row['model']}`",
                f"{row['recipe']}, {row['epochs']} epochs",
                row["backend"],
                mean_and_spread(row),
                str(len(row["seeds"])),
                row["device"],
                ", ".join(row["commits"]),
            )
        )
    heads = (
        "network",
        "recipe",
        "backend",
        "test accuracy",
        "seeds",
        "device",
        "commit",
    )
    return markdown_table(heads, rows, "lllrrll")


def _saved_of_kind(root: Path, records: list[dict]) -> list[dict]:
    """Return the runs of saved files, by other seeds, that make a mean with others."""
    kinds, found = kinds_of_runs(records), []
    for card in filter(None, (saved_card(root, name) for name in zoo_names())):
        seeds = {record["seed"] for record in kinds.get(kind_of(card), ())}
        if seeds and card["seed"] not in seeds:
            found.append(card)
    return found


def proof_table(root: Path, argument: str = "") -> str:
    """The record of `make parity`, or a line that there is none yet."""
    path = root / PARITY
    if not path.exists():
        return "No record of all networks yet: `make parity` makes it."
    return parity_table(json.loads(path.read_text(encoding="utf-8")))


def search_table(root: Path, argument: str) -> str:
    """The best trials of one search, or a line that there is no record of it."""
    path = root / search_record(argument)
    if not path.exists():
        return (
            f"No record yet: `make tune MODEL=lenet_relu SPACE={argument} "
            f'ARGS="--record {argument}"` makes it.'
        )
    return tuning_table(json.loads(path.read_text(encoding="utf-8")))


def speed_table(root: Path, argument: str) -> str:
    """A record of `make benchmark`; the argument is its device and what of it.

    That is overview, note, cost, profile, growth, augmentation, ratios (training and
    inference), or ratios or rates of train or predict, as in cpu-train-ratios.
    """
    device, what, *kind = argument.split("-")
    growth = what in ("growth", "augmentation")
    path = root / speed_record(device, scaling=growth)
    if not path.exists():
        command = f"make benchmark DEVICE={device}{' GROWTH=1' if growth else ''}"
        return f"Not measured on a {device.upper()} yet: `{command}`."
    record = json.loads(path.read_text(encoding="utf-8"))
    if what == "note":
        return benchmark_note(record)
    whole = {
        "overview": speed_overview,
        "cost": cost_table,
        "profile": profile_table,
        "ratios": _both_ratios,
    }
    if what in whole:
        return whole[what](record)
    if growth:
        tables = {"growth": scaling_table, "augmentation": augmentation_table}
        return tables[what](record)
    tables = {"ratios": ratio_table, "rates": rate_table}
    return tables[kind[0]](record, what)


def fit_speed_table(root: Path, argument: str) -> str:
    """The record of `make benchmark-fit`; the argument is its device."""
    path = root / fit_record(argument)
    if not path.exists():
        command = f"make benchmark-fit DEVICE={argument}"
        return f"Not measured on a {argument.upper()} yet: `{command}`."
    return fit_table(json.loads(path.read_text(encoding="utf-8")))


def scale_table(root: Path, argument: str) -> str:
    """One process beside two, measured; published links; what follows from these.

    The argument is a device, such as cpu, or links, or computed.
    """
    if argument in ("links", "computed"):
        return {"links": links_table, "computed": computed_table}[argument]()
    path = root / devices_record(argument)
    if not path.exists():
        return f"Not measured on a {argument.upper()} yet: `make benchmark SCALING=1`."
    return devices_table(json.loads(path.read_text(encoding="utf-8")))


def _both_ratios(record: dict) -> str:
    parts = (("Training", "train"), ("Inference", "predict"))
    return "\n\n".join(
        f"{name}:\n\n{ratio_table(record, what)}" for name, what in parts
    )


def fuzz_record_table(root: Path, argument: str = "") -> str:
    """The record of `make fuzz`."""
    path = root / FUZZ
    if not path.exists():
        return f"Not recorded yet: `make fuzz ARGS='--json {FUZZ}'`."
    return fuzz_table(json.loads(path.read_text(encoding="utf-8")))


def suspects_table(root: Path, argument: str = "") -> str:
    """The record of `make audit`, and of a look at what it found first."""
    path = root / AUDIT
    return audit_table(json.loads(path.read_text(encoding="utf-8")))


def pages_table(root: Path, argument: str = "") -> str:
    """The pages of docs/ and their titles: the first heading of each."""
    rows = []
    for path in sorted((root / "docs").glob("**/*.md")):
        name = path.relative_to(root / "docs").as_posix()
        title = re.search(r"^# (.*)", path.read_text(encoding="utf-8"), re.M)
        if title and name != "README.md":
            rows.append((f"[{name}]({name})", title[1]))
    return markdown_table(("page", "subject"), rows, "ll")


def targets_table(root: Path, argument: str = "") -> str:
    """The targets of the Makefile and what each is for."""
    targets = re.findall(
        r"^([a-z-]+):.*## (.*)", (root / "Makefile").read_text(encoding="utf-8"), re.M
    )
    rows = [(f"`make {name}`", text) for name, text in targets]
    return markdown_table(("target", "what it does"), rows, "ll")


_TABLES: dict[str, Callable[[Path, str], str]] = {
    "overview": overview_table,
    "networks": networks_table,
    "saved": saved_table,
    "study": study_table,
    "comparison": comparison_table,
    "additions": lambda root, argument: additions_table(root),
    "rates": lambda root, argument: rates_table(root),
    "published": published_table,
    "published-classes": published_classes_table,
    "published-epochs": published_epochs_table,
    "published-shirts": published_shirts_table,
    "published-faults": faults_table,
    "parity": proof_table,
    "audit": suspects_table,
    "interruptions": interruptions_table,
    "fuzz": fuzz_record_table,
    "finetune": lambda root, argument: finetune_table(root),
    "exports": exports_table,
    "search": search_table,
    "speedruns": lambda root, argument: speedrun_table(root),
    "fit": fit_speed_table,
    "scale": scale_table,
    "speed": speed_table,
    "pages": pages_table,
    "targets": targets_table,
}
