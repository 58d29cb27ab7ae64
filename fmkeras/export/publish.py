"""Lay out a model as Hugging Face's hub and a GitHub release want it.

`keras.models.load_model("hf://user/name")` reads a repository that holds the unpacked
`.keras` file; a release takes single files. Nothing is uploaded.
"""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

from fmkeras.artifacts.card import is_from_elsewhere
from fmkeras.artifacts.keras_file import find_artifact, load_artifact, read_card
from fmkeras.errors import UserError
from fmkeras.files import json_text, may_be_replaced, replacing_folder
from fmkeras.records import SAVED_MODELS

HUB, RELEASE = "huggingface", "github-release"
# Of each data set: its name on the hub, its licence and where that is told.
DATA = {
    "fashion-mnist": (
        "zalando-datasets/fashion_mnist",
        "MIT, Zalando SE (https://github.com/zalandoresearch/fashion-mnist)",
    ),
    "kmnist": (
        None,
        "CC BY-SA 4.0, CODH (http://codh.rois.ac.jp/kmnist/)",
    ),
}
MARK = "card.json"


def publish_model(
    path_or_name: str | os.PathLike,
    out: str | os.PathLike,
    *,
    folder: str | os.PathLike = SAVED_MODELS,
) -> tuple[Path, Path]:
    """Write OUT/NAME/huggingface/ and OUT/NAME/github-release/; return both.

    Raises `UserError` where the model has no card, is not the file its card describes,
    or where a folder there holds something else.
    """
    path = find_artifact(path_or_name, folder)
    card = read_card(path)
    if "test" not in card or "sha256" not in card:
        raise UserError(
            f"The card of '{path}' tells neither figures nor checksum; expected that "
            "of a training run: train the model with make train."
        )
    load_artifact(path)
    targets = tuple(Path(out) / path.stem / name for name in (HUB, RELEASE))
    for target in targets:
        if not may_be_replaced(target, MARK):
            raise UserError(
                f"'{target}' is there already and holds something else; expected a "
                "folder to make: move it away, or give another --to (make: TO=)."
            )
    with replacing_folder(targets[0]) as hub:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(hub)
        _write(hub / MARK, json_text(card))
        _write(hub / "labels.txt", "\n".join(card["classes"]) + "\n")
        _write(hub / "README.md", hub_card(path.stem, card))
    with replacing_folder(targets[1]) as release:
        shutil.copyfile(path, release / path.name)
        _write(release / MARK, json_text(card))
        _write(release / "labels.txt", "\n".join(card["classes"]) + "\n")
        _write(release / "NOTES.md", release_notes(path.stem, card))
        names = (path.name, MARK, "labels.txt")
        sums = [
            f"{hashlib.sha256((release / name).read_bytes()).hexdigest()}  {name}"
            for name in names
        ]
        _write(release / "SHA256SUMS", "\n".join(sums) + "\n")
    return targets


def hub_card(name: str, card: dict) -> str:
    """Return the README.md of a repository on Hugging Face's hub, metadata first."""
    data = card.get("dataset", {}).get("name", "")
    hub_name = DATA[data][0] if data in DATA else None
    test = card["test"]
    low, high = test["accuracy_interval_95"]
    head = [
        "---",
        "library_name: keras",
        *([] if is_from_elsewhere(card) else ["license: mit"]),
        "pipeline_tag: image-classification",
        f"tags: {json.dumps(['keras', *([data] if data else [])])}",
        *([f"datasets: [{hub_name}]"] if hub_name else []),
        "metrics: [accuracy]",
        "model-index:",
        f"- name: {json.dumps(name)}",
        "  results:",
        "  - task: {type: image-classification}",
        f"    dataset: {{name: {json.dumps(data)}, type: "
        f"{hub_name or json.dumps(data or 'unknown')}, split: test}}",
        f"    metrics: [{{type: accuracy, value: {test['accuracy']:.4f}}}]",
        "---",
    ]
    rows = [
        f"| {label} | {figures['precision']:.4f} | {figures['recall']:.4f} | "
        f"{figures['f1']:.4f} | {figures['support']:,} |"
        for label, figures in test["per_class"].items()
    ]
    body = f"""
# {name}

`{card.get("model", name)}`, {card["parameters"]:,} parameters: it tells
{len(card["classes"])} classes apart: {", ".join(card["classes"])}. {_how(card)}

Test accuracy **{test["accuracy"]:.2%}** (95 % interval {low:.2%} to {high:.2%},
{test["count"]:,} images), loss {test["loss"]:.4f}.

| class | precision | recall | F1 | images |
|---|---:|---:|---:|---:|
{chr(10).join(rows)}

## Use

```python
import os

os.environ["KERAS_BACKEND"] = "torch"  # or "tensorflow", or "jax"
import keras

model = keras.models.load_model("hf://USER/{name}")  # or the path of this folder
probabilities = model.predict(images)
```

The file holds stock Keras layers only and opens on each of the three backends.
`images` are {card["input"]}; scaling is inside the model. The output is
{card["output"]}, as `labels.txt` lists them.

## What it is not for

It was trained on small grey images of one data set and knows nothing else: on
photographs from elsewhere the figures above do not hold. It says of any picture that
it is one of its classes.

## Licence

{_licences(card)}
"""
    return "\n".join(head) + "\n" + body


def release_notes(name: str, card: dict) -> str:
    """Return the notes of a GitHub release with the model's file."""
    test = card["test"]
    return f"""# {name}

`{name}.keras`: `{card.get("model", name)}`, {card["parameters"]:,} parameters, test
accuracy {test["accuracy"]:.2%} on {test["count"]:,} images. {_how(card)}

    python -c 'import keras; print(keras.models.load_model("{name}.keras").summary())'

`card.json` says how the file came about; `sha256sum -c SHA256SUMS` checks the files.
{_licences(card)}
"""


def _how(card: dict) -> str:
    data, recipe = card.get("dataset", {}), card.get("recipe", {})
    if not recipe:
        origin = card.get("imported", {}).get("file")
        where = f", from the file {origin}" if origin else ""
        return f"Its weights were trained elsewhere{where}; how is not known here."
    return (
        f"Trained on {data.get('train', 0):,} images of {data.get('name', 'own data')} "
        f"by the recipe {recipe.get('name', 'default')}, seed {card.get('seed')}, on "
        f"{card.get('backend')}, epoch {card.get('kept_epoch')} of "
        f"{card.get('epochs')} kept."
    )


def _licences(card: dict) -> str:
    weights = "The weights are under the MIT licence."
    if is_from_elsewhere(card):
        begun = "began with some that were" if card.get("recipe") else "were"
        weights = (
            f"The weights {begun} trained elsewhere: their licence is that of where "
            "they come from, which this project does not know."
        )
    name = card.get("dataset", {}).get("name", "")
    if name in DATA:
        return f"{weights} The data is under its own: {DATA[name][1]}."
    return f"{weights} The data has a licence of its own, unknown here too."


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
