"""A search's trials kept with the project: the record behind its tables."""

import json
import shutil
from pathlib import Path

from fmkeras.files import replacing, write_json
from tuner.results.plots import HEAT_MAP

SAVED = Path("saved_models")


def keep_record(folder: Path, name: str, saved: Path = SAVED) -> list[Path]:
    """Copy trials.json and the heat map of a search; return the files made."""
    content = json.loads((folder / "trials.json").read_text())
    made = [saved / "records" / f"tune-{name}.json"]
    write_json(made[0], content)
    picture = folder / HEAT_MAP
    if picture.exists():
        made.append(made[0].with_suffix(".png"))
        with replacing(made[1]) as temporary:
            shutil.copyfile(picture, temporary)
    return made
