"""The table of the parity record, for the README and for reading."""

from fmkeras.report.tables.markdown import markdown_table

HEADS = (
    "network",
    "parameters",
    "logits, inference",
    "logits, training",
    "gradients",
    "losses",
    "batch x steps",
    "proven on",
)


def parity_table(record: dict) -> str:
    """Return a record of `make parity` as a Markdown table, one row a network.

    Each figure is the largest of the backends.
    """
    rows = []
    for name in dict.fromkeys(result["name"] for result in record["results"]):
        results = [row for row in record["results"] if row["name"] == name]
        first = results[0]
        rows.append(
            [
                f"`{name}`",
                f"{first['parameters']:,}",
                *(
                    f"{max(row[measure] for row in results):.1e}"
                    for measure in record["bars"]
                ),
                f"{first['batch']} x {first['steps']}",
                ", ".join(r["backend"] for r in results if r["proven"]) or "none",
            ]
        )
    return markdown_table(HEADS, rows, "lrrrrrrl")
