"""The table of the audit's record, for the README."""

from collections import Counter

from fmkeras.report.tables.markdown import markdown_table, percent


def audit_table(record: dict) -> str:
    """Return a record of `make audit` as a Markdown table, and what a look at it said.

    The record has the number of suspects in place of their list, and of the first
    ones what a person found: `wrong`, `arguable` or `right`.
    """
    rows = []
    for name, part in record["parts"].items():
        share = percent(part["suspects"] / part["count"])
        rows.append(
            (
                name,
                f"{part['count']:,}",
                f"{part['suspects']:,} ({share})",
                percent(part["accuracy"]),
            )
        )
    heads = ("images", "labels", "suspect", "the models agree with")
    images = record["looked_at"]["images"]
    found = Counter(image["verdict"] for image in images)
    pairs = record["duplicates"]
    exact = sum(pair["distance"] == 0 for pair in pairs)
    said = (
        f"Of the first {len(images)} suspects among the training images, looked at one "
        f"by one, {found['wrong']} labels are wrong, {found['arguable']} can be argued "
        f"about and {found['right']} are right. {exact or 'No'} test images stand in "
        f"the training set to the pixel; {len(pairs) - exact} pairs are nearly alike."
    )
    return markdown_table(heads, rows, "lrrr") + f"\n\n{said}"
