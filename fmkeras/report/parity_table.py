"""The table of the parity record, for the README and for reading."""


def parity_table(record: dict) -> str:
    """Return a record of `make parity` as a Markdown table, one row a network.

    Each figure is the largest of the backends; a gradient or a loss that float64
    had to decide is followed by the float64 figure.
    """
    rows = [
        "| network | parameters | logits, inference | logits, training | gradients "
        "| losses | batch x steps | proven on |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name in dict.fromkeys(result["name"] for result in record["results"]):
        results = [row for row in record["results"] if row["name"] == name]
        figures = " | ".join(
            _worst(results, measure, bar) for measure, bar in record["bars"].items()
        )
        proven = ", ".join(row["backend"] for row in results if row["proven"])
        first = results[0]
        rows.append(
            f"| `{name}` | {first['parameters']:,} | {figures} "
            f"| {first['batch']} x {first['steps']} | {proven or 'none'} |"
        )
    return "\n".join(rows)


def _worst(results: list[dict], measure: str, bar: float) -> str:
    worst = max(results, key=lambda result: result[measure])
    text = f"{worst[measure]:.1e}"
    if worst[measure] > bar and "float64" in worst:
        text += f" (float64: {worst['float64'][measure]:.1e})"
    return text
