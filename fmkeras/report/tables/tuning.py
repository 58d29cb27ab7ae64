"""The table of one search: its best trials, from the record that it left."""

from fmkeras.report.tables.markdown import markdown_table, percent
from fmkeras.text.values import value_text

BEST = 5


def tuning_table(record: dict) -> str:
    """Return a record of `make tune` as Markdown: what it was, and its best trials.

    The validation accuracy is that of the epoch whose weights a trial kept.
    """
    names = list(record["space"]["hyperparameters"])
    finished = [row for row in record["trials"] if row["state"] == "finished"]
    finished.sort(key=lambda row: -row["val_accuracy"])
    heads = [name.replace("_", " ") for name in names]
    heads += ["validation accuracy", "epochs", "images/s"]
    rows = []
    for row in finished[:BEST]:
        # None of a trial without epochs of its own.
        rate = row["examples_per_second"]
        rows.append(
            [
                *(value_text(row["values"].get(name)) for name in names),
                percent(row["val_accuracy"]),
                str(row["epochs"]),
                "" if rate is None else f"{rate:,.0f}",
            ]
        )
    return f"{_caption(record)}\n\n{markdown_table(heads, rows, 'r' * len(heads))}"


def _caption(record: dict) -> str:
    states = [row["state"] for row in record["trials"]]
    hours = sum(row["seconds"] for row in record["trials"]) / 3600
    done = f"{states.count('finished')} of {record['planned']} trials finished"
    if states.count("failed"):
        done += f", {states.count('failed')} failed"
    made = [row for row in record["trials"] if row["commit"]]
    devices = ", ".join(sorted({row["device"] for row in made}))
    commits = ", ".join(sorted({row["commit"][:7] for row in made}))
    return (
        f"{record['search'].capitalize()} search of `{record['space']['name']}` for "
        f"`{record['model']}`: {done}, {hours:.1f} hours of training on "
        f"{record['backend']}, {devices}, commit {commits}. The best:"
    )
