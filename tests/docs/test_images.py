"""The images of docs show the figures that the cards and records have today."""

import json

import numpy as np
import pytest
from PIL import Image
from support.doc_pages import ROOT, links, pages

from fmkeras.report.doc_images import changed_sources, sources_of, stamp

# Drawn from the data set and from this project's own drawing: they show no figures.
WITHOUT_FIGURES = ("samples", "garments")
FOLDERS = ("docs/images", "saved_models/records")
IMAGES = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.png"))]


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_no_image_is_older_than_what_it_shows(path):
    assert bool(sources_of(path)) != (path.stem in WITHOUT_FIGURES)
    assert changed_sources(path, ROOT) == [], "make pictures"


def test_every_image_of_docs_is_shown_on_a_page():
    shown = {(page.parent / link).resolve() for page in pages() for link in links(page)}
    assert {path for path in IMAGES if path.parent.name == "images"} <= shown


def test_a_changed_figure_is_noticed_and_other_words_of_a_card_are_not(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_models/records").mkdir(parents=True)
    card = {"parameters": 10, "test": {"accuracy": 0.9}, "commit": "a"}
    told = tmp_path / "saved_models/lenet.json"
    record = tmp_path / "saved_models/records/first.json"
    picture = tmp_path / "docs/images/net.png"
    picture.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(picture)
    told.write_text(json.dumps(card))
    record.write_text("[1]")
    stamp(picture, models=["lenet"], records=[record])
    assert len(sources_of(picture)) == 2
    told.write_text(json.dumps(card | {"commit": "b"}))
    assert changed_sources(picture, tmp_path) == []
    told.write_text(json.dumps(card | {"test": {"accuracy": 0.91}}))
    assert changed_sources(picture, tmp_path) == ["model lenet"]
    told.unlink()
    record.write_text("[2]")
    assert len(changed_sources(picture, tmp_path)) == 2
