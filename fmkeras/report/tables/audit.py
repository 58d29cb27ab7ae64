"""The table of the audit's record, for the README."""

from collections import Counter

from fmkeras.analysis.near_duplicates import divided_pairs, images_of
from fmkeras.report.tables.markdown import markdown_table, percent


def audit_table(record: dict) -> str:
    """Return a record of `make audit` as a Markdown table, and the inspected issues.

    The record has the number of label issues in place of their list, and a person's
    verdict on the first ones: `wrong`, `arguable` or `right`.
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
    heads = ("images", "labels", "label issues", "the models agree with")
    images = record["looked_at"]["images"]
    found = Counter(image["verdict"] for image in images)
    exact, near = map(images_of, divided_pairs(record["duplicates"]))
    said = (
        f"Of the first {len(images)} issues among the training images, inspected one "
        f"by one, {found['wrong']} labels are wrong, {found['arguable']} arguable and "
        f"{found['right']} right. Test images that are exact duplicates of training "
        f"images: {exact}; near duplicates: {near}."
    )
    return markdown_table(heads, rows, "lrrr") + f"\n\n{said}"
