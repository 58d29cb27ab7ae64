"""The table of the parity record, for the README and for reading."""

from fmkeras.report.tables.markdown import markdown_table

HEADS = (
    "network",
    "parameters",
    "logits, inference",
    "logits, training",
    "gradients",
    "losses, SGD",
    "losses, Adam",
    "PyTorch beside itself",
    "batch x steps",
    "proven on",
)
MEASURES = (
    "inference",
    "training",
    "gradients",
    "losses",
    "adam_losses",
    "adam_rounding",
)


def parity_table(record: dict) -> str:
    """Return a record of `make parity` as a Markdown table, one row a network.

    Each figure is the largest of the backends. 'pending' stands where a network was
    proven before that figure was measured.
    """
    rows = []
    for name in dict.fromkeys(result["name"] for result in record["results"]):
        results = [row for row in record["results"] if row["name"] == name]
        first = results[0]
        rows.append(
            [
                f"`{name}`",
                f"{first['parameters']:,}",
                *(_largest(results, measure) for measure in MEASURES),
                f"{first['batch']} x {first['steps']}",
                ", ".join(r["backend"] for r in results if r["proven"]) or "none",
            ]
        )
    return markdown_table(HEADS, rows, "lrrrrrrrrl")


def _largest(results: list[dict], measure: str) -> str:
    if not all(measure in row for row in results):
        return "pending"
    return f"{max(row[measure] for row in results):.1e}"
