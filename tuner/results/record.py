"""A search's trials kept with the project: the record behind its tables."""

import json
import shutil
from pathlib import Path

from fmkeras.files import replacing, write_json
from fmkeras.records import RECORDS, SAVED_MODELS, search_record
from fmkeras.report.doc_images import stamp
from tuner.results.plots import HEAT_MAP


def keep_record(folder: Path, name: str, saved: Path = SAVED_MODELS) -> list[Path]:
    """Copy trials.json and the heat map of a search; return the files made."""
    content = json.loads((folder / "trials.json").read_text(encoding="utf-8"))
    made = [search_record(name, saved / RECORDS.name)]
    write_json(made[0], content)
    picture = folder / HEAT_MAP
    if picture.exists():
        made.append(made[0].with_suffix(".png"))
        with replacing(made[1]) as temporary:
            shutil.copyfile(picture, temporary)
        stamp(made[1], records=[made[0]])
    return made
