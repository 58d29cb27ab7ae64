"""The table of `make fuzz`: what each parser made of changed files."""

from fmkeras.report.tables.markdown import markdown_table


def fuzz_table(record: dict) -> str:
    """Return one row per parser: inputs, how many were files still, and defects."""
    rows = []
    for entry in record["parsers"].values():
        rows.append(
            [
                entry["what"],
                f"{entry['inputs']:,}",
                f"{entry['accepted']:,}",
                f"{entry['refused']:,}",
                str(len(entry["defects"])),
                f"{entry['slowest_seconds']:.2f} s",
                f"{entry['peak_megabytes']:,} MB",
            ]
        )
    heads = [
        "files",
        "inputs",
        "read",
        "refused in a line",
        "tracebacks, crashes, hangs",
        "slowest",
        "memory, at most",
    ]
    limits = record["limits"]
    commits = {str(entry["commit"])[:7] for entry in record["parsers"].values()}
    note = (
        f"A hang is more than {limits['seconds']} s of the processor; memory beyond "
        f"{limits['megabytes']:,} MB above that of the libraries fails. Commit "
        f"{', '.join(sorted(commits))}, {record['time'][:10]}."
    )
    return f"{markdown_table(heads, rows, 'lrrrrrr')}\n\n{note}"
