"""What lies beside an exported file: labels, card, an example and words on them."""

import json
from pathlib import Path

from fmkeras.export.formats import ExportFormat

INPUT = """\
`pixels` is float32 of shape (n, 28, 28, 1): grey values from 0 to 255 as they are in
the image, not divided by 255, with the background at 0 (dark) and the object light.
Scaling, standardising and resizing are inside the model. An image of another size is
made 28 x 28 first; a photograph on a light background is inverted. The output is one
probability a class, float32 of shape (n, {count}), in the order of `labels.txt`."""

_EXAMPLE = '''\
"""Name what is on an image: python example.py IMAGE (pip install {packages})."""

import sys

import numpy as np
from PIL import Image

image = Image.open(sys.argv[1]).convert("L").resize((28, 28))
pixels = np.asarray(image, np.float32).reshape(1, 28, 28, 1)

{load}

labels = open("labels.txt", encoding="utf-8").read().splitlines()
best = int(probabilities[0].argmax())
print(f"{{labels[best]}} {{probabilities[0][best]:.1%}}")
'''


def write_bundle(
    folder: Path, export_format: ExportFormat, name: str, card: dict, facts: dict
) -> None:
    """Write labels.txt, card.json, example.py, README.md and export.json.

    `card` is the model's, with its `classes`; `facts` are what the check found.
    """
    classes = card["classes"]
    (folder / "labels.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    example = example_text(export_format, name)
    (folder / "example.py").write_text(example, encoding="utf-8")
    for file, content in (("card.json", card), ("export.json", facts)):
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / file).write_text(text + "\n", encoding="utf-8")
    readme = readme_text(export_format, name, card, facts)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def example_text(export_format: ExportFormat, name: str) -> str:
    """Return a script that loads the file and names what is on an image."""
    return _EXAMPLE.format(
        packages=f"{export_format.runtime} numpy pillow",
        load=export_format.load.format(file=export_format.filename(name)),
    )


def readme_text(export_format: ExportFormat, name: str, card: dict, facts: dict) -> str:
    """Return what a person reads who was given the folder alone."""
    file = export_format.filename(name)
    test = card.get("test", {})
    accuracy = f", {test['accuracy']:.2%} of its test images" if test else ""
    lines = [
        f"# {file}",
        "",
        f"`{card.get('model', name)}`, a classifier of 28 x 28 grey images in "
        f"{len(card['classes'])} classes{accuracy}; exported from `{name}.keras` "
        f"(sha256 {facts['source_sha256']}).",
        "",
        "## Input and output",
        "",
        INPUT.format(count=len(card["classes"])),
        "",
        "## Load it",
        "",
        f"    pip install {export_format.runtime} numpy pillow",
        "    python example.py IMAGE",
        "",
        "## Compared with the .keras file",
        "",
        _compared(export_format, facts),
        "",
        "`card.json` says how the model was trained and measured, `export.json` how "
        "it was exported and compared.",
        "",
    ]
    return "\n".join(lines)


def _compared(export_format: ExportFormat, facts: dict) -> str:
    count = facts["images"]
    text = (
        f"On {count:,} test images the probabilities differ by at most "
        f"{facts['max_difference']:.1e}; {facts['same_classes']:,} of {count:,} "
        "images are given the same class. "
    )
    if export_format.quantized:
        text += (
            f"Accuracy on all {facts['test_images']:,} test images: "
            f"{facts['accuracy']:.2%}, of the .keras file "
            f"{facts['source_accuracy']:.2%}. "
        )
    batch = "any number of images" if facts["free_batch"] else "one image"
    return text + f"A call takes {batch}."
