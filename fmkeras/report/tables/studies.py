"""The tables of comparisons on validation images, and of what parts of a recipe add."""

import json
import statistics
from pathlib import Path

from fmkeras.records import RECORDS, commits_of
from fmkeras.report.tables.markdown import markdown_table

# The case of a study in which nothing is changed.
AS_IT_IS = "as it is"


def comparison_table(root: Path, name: str) -> str:
    """Return the study NAME: validation accuracy, size and time of each case.

    The cases stand in the order of their accuracy; the difference is to the case 'as it
    is', else to the best one, with half of its 95 % interval where there are several
    seeds of both.
    """
    records = read_study(root, name)
    if not records:
        return f"No record yet: `make study NAME={name}` makes it."
    cases = _by_case(records)
    means = {
        label: statistics.mean(_accuracies(group)) for label, group in cases.items()
    }
    order = sorted(cases, key=lambda label: -means[label])
    reference = AS_IT_IS if AS_IT_IS in cases else order[0]
    rows = [_row(label, cases[label], cases[reference]) for label in order]
    heads = (
        "case",
        "network",
        "weights",
        "validation accuracy",
        f"to '{AS_IT_IS}'" if reference == AS_IT_IS else "to the best",
        "seeds",
        "epochs",
        "images/s",
    )
    devices = ", ".join(sorted({record["device"] for record in records}))
    commits = ", ".join(commits_of(records))
    size = records[0]["dataset"]["validation"]
    caption = (
        f"{size:,} validation images, last epoch; {devices}, commit {commits}. The "
        "rates were measured while the machine did other work."
    )
    return f"{caption}\n\n{markdown_table(heads, rows, 'llrrrrrr')}"


def additions_table(root: Path) -> str:
    """Return what erasing, smoothing and averages add to each default recipe."""
    from fmkeras.experiments.study_cases import ADDITIONS, SMALL

    rows = []
    for name in SMALL:
        cases = _by_case(read_study(root, f"default-{name}"))
        if AS_IT_IS not in cases:
            continue
        reference = cases.pop(AS_IT_IS)
        accuracy = statistics.mean(_accuracies(reference))
        rows.append(
            (
                f"`{name}`",
                f"{100 * accuracy:.2f} %",
                *(
                    _difference(cases[label], reference) if label in cases else ""
                    for label in ADDITIONS
                    if label != AS_IT_IS
                ),
                str(len(reference)),
                str(reference[0]["epochs"]),
            )
        )
    if not rows:
        return "No record yet: `make study NAME=default-lenet` makes the first."
    heads = ("network", *ADDITIONS, "seeds", "epochs")
    return markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))


def rates_table(root: Path) -> str:
    """Return what learning rates reach with the default recipe of each network."""
    from fmkeras.experiments.study_cases import RATES, SMALL

    rows = []
    for name in SMALL:
        cases = _by_case(read_study(root, f"rates-{name}"))
        if not cases:
            continue
        groups = [cases.get(f"{rate:g}", []) for rate in RATES]
        epochs = {record["epochs"] for group in groups for record in group}
        rows.append(
            (f"`{name}`", *map(_mean_cell, groups), ", ".join(map(str, sorted(epochs))))
        )
    if not rows:
        return "No record yet: `make study NAME=rates-lenet` makes the first."
    heads = ("network", *(f"{rate:g}" for rate in RATES), "epochs")
    return markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))


def _mean_cell(group: list[dict]) -> str:
    """Return the mean accuracy of a case and, where there are several, its seeds."""
    if not group:
        return ""
    text = f"{100 * statistics.mean(_accuracies(group)):.2f} %"
    return text if len(group) == 1 else f"{text} ({len(group)} seeds)"


def read_study(root: Path, name: str) -> list[dict]:
    """Return the records of a study, in the order of their files."""
    folder = root / RECORDS / f"study-{name}"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _by_case(records: list[dict]) -> dict[str, list[dict]]:
    cases: dict[str, list[dict]] = {}
    for record in records:
        cases.setdefault(record["case"], []).append(record)
    return cases


def _row(label: str, group: list[dict], reference: list[dict]) -> tuple[str, ...]:
    first = group[0]
    options = ", ".join(
        f"{key} {'-'.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in first["options"].items()
    )
    accuracies = _accuracies(group)
    rate = statistics.median(
        value for record in group for value in record["history"]["examples_per_second"]
    )
    return (
        label,
        f"`{first['model']}` {options}".strip(),
        f"{first['parameters']:,}",
        f"{100 * statistics.mean(accuracies):.2f} %",
        "" if group is reference else _difference(group, reference),
        str(len(group)),
        str(first["epochs"]),
        f"{rate:,.0f}",
    )


def _difference(group: list[dict], reference: list[dict]) -> str:
    """Return the mean difference of the same seeds, in points, and its uncertainty."""
    theirs = {record["seed"]: record for record in reference}
    differences = [
        100 * (ours["validation"]["accuracy"] - other["validation"]["accuracy"])
        for ours in group
        if (other := theirs.get(ours["seed"]))
    ]
    if not differences:
        return ""
    text = f"{statistics.mean(differences):+.2f}"
    if len(differences) > 1:
        from scipy.stats import t

        count = len(differences)
        factor = t.ppf(0.975, count - 1)
        text += f" ± {factor * statistics.stdev(differences) / count**0.5:.2f}"
    return text


def _accuracies(group: list[dict]) -> list[float]:
    return [record["validation"]["accuracy"] for record in group]
