"""The table of the parity record, for the README and for reading."""


def parity_table(record: dict) -> str:
    """Return a record of `make parity` as a Markdown table, one row a network.

    Each figure is the largest of the backends.
    """
    rows = [
        "| network | parameters | logits, inference | logits, training | gradients "
        "| losses | batch x steps | proven on |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name in dict.fromkeys(result["name"] for result in record["results"]):
        results = [row for row in record["results"] if row["name"] == name]
        figures = " | ".join(
            f"{max(row[measure] for row in results):.1e}" for measure in record["bars"]
        )
        proven = ", ".join(row["backend"] for row in results if row["proven"])
        first = results[0]
        rows.append(
            f"| `{name}` | {first['parameters']:,} | {figures} "
            f"| {first['batch']} x {first['steps']} | {proven or 'none'} |"
        )
    return "\n".join(rows)
