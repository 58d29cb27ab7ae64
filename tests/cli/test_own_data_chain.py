"""Data of seven classes in KMNIST's form through every command, from data to page.

The short one runs with all tests; the long one trains until the characters are told
apart, and goes through every format that can be run here, to a page in the browser.
"""

import csv
import importlib.util
import json
import os
from pathlib import Path

import pytest
from support.characters import NAMES, write_characters, write_photos

from fmkeras.__main__ import main
from fmkeras.errors import UserError
from fmkeras.export.formats import FORMATS
from tuner.__main__ import main as tuner_main

SCREENSHOTS = Path(__file__).parents[2] / "runs/screenshots"
SPACE = {"hyperparameters": {"learning_rate": [0.01, 0.001]}}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    return tmp_path


def run(*words, program=main):
    assert program(list(map(str, words))) == 0


def go_through(place, capsys, model, images, epochs, formats):
    """Run every command on the data; return the name of the trained model."""
    write_characters(place / "kuzushiji7", images, max(images // 4, 6))
    data = ("--data", "kuzushiji7")
    run("data", *data, "--figure", "samples.png")
    said = capsys.readouterr().out
    assert all(name in said for name in NAMES)
    backend = ("--backend", os.environ["KERAS_BACKEND"])
    flags = ("--model", model, "--epochs", epochs, *data)
    run("train", *flags, "--batch-size", 20)
    name = f"{model}-kuzushiji7"
    card = json.loads((place / f"saved_models/{name}.json").read_text())
    assert card["classes"] == list(NAMES) and len(card["test"]["per_class"]) == 7
    [history] = place.glob("runs/*/per_class.csv")
    with open(history) as file:
        assert {row["class"] for row in csv.DictReader(file)} == set(NAMES)
    flags = (*flags, "--space", "space.json", "--name", "kuzushiji", *backend)
    run("search", *flags, program=tuner_main)
    run("evaluate", "--model", name, *data, "--json", "evaluation.json")
    told = json.loads((place / "evaluation.json").read_text())
    assert told["accuracy"] == pytest.approx(card["test"]["accuracy"])
    flags = ("--model", model, "--folds", 2, "--epochs", epochs)
    run("audit", *flags, *data)
    capsys.readouterr()
    write_photos(place / "photos")
    run("predict", "photos", "--model", name)
    assert "ki.png" in capsys.readouterr().out
    with open(place / "runs/predictions/predictions.csv") as file:
        assert len(list(csv.DictReader(file))) == 7
    run("export", "--model", name, "--format", *formats, *data, "--no-timing")
    for one in formats:
        labels = (place / f"exports/{name}/{one}/labels.txt").read_text().splitlines()
        assert labels == list(NAMES)
    return name


def check_report(site, name):
    pages = {path.name for path in site.glob("*.html")}
    assert {"index.html", f"net-{name}.html", "audit.html"} <= pages
    assert "search-kuzushiji.html" in pages
    text = (site / f"net-{name}.html").read_text()
    assert all(f'<th scope="row">{one}</th>' in text for one in NAMES)
    assert len(list(site.glob("images-*.png"))) == 7


def test_seven_classes_go_through_every_command(place, capsys):
    name = go_through(place, capsys, "linear", 14, 1, ["torch"])
    run("report", "--data", "kuzushiji7")
    check_report(place / "runs/report", name)


@pytest.mark.slow
def test_seven_characters_are_learnt_exported_and_tried(place, capsys):
    here = [name for name, one in FORMATS.items() if not one.missing()]
    name = go_through(place, capsys, "lenet_relu", 200, 8, here)
    card = json.loads((place / f"saved_models/{name}.json").read_text())
    assert card["test"]["accuracy"] > 0.95
    with open(place / "runs/predictions/predictions.csv") as file:
        rows = list(csv.DictReader(file))
    right = [Path(row["file"]).stem == row["class"] for row in rows]
    assert sum(right) >= 6, rows
    page = make_page(name) if "onnx" in here else None
    run("report", "--data", "kuzushiji7")
    site = place / "runs/report"
    check_report(site, name)
    if page is not None:
        assert (site / f"try/{name}/index.html").is_file()
    look(place, site, name, page, rows)


def make_page(name):
    """Write the page to try the model; None where its runtime is not to be had."""
    from fmkeras.export.try_page.runtime import runtime_files

    try:
        runtime_files()
    except UserError:
        return None
    run("try", "--model", name, "--data", "kuzushiji7")
    return Path("try") / name / "index.html"


def look(place, site, name, page, rows):
    """Leave screenshots; the page says of each picture what `predict` said: `rows`."""
    if not importlib.util.find_spec("selenium"):
        return
    import shutil

    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return
    from selenium.webdriver.support.ui import WebDriverWait
    from support import chromium

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser = chromium.open_browser()
    try:
        for width in (1280, 390):
            for file in (f"net-{name}", "search-kuzushiji", "audit"):
                chromium.resize(browser, width, 900)
                browser.get((site / f"{file}.html").as_uri())
                root = "document.documentElement"
                wide = browser.execute_script(f"return {root}.scrollWidth")
                assert wide <= width
                height = browser.execute_script(f"return {root}.scrollHeight")
                chromium.resize(browser, width, height)
                path = SCREENSHOTS / f"kuzushiji7-{file.split('-')[0]}-{width}.png"
                browser.save_screenshot(str(path))
        if page is None:
            return
        shown = "return document.body.dataset.shown"
        for width, row in zip((1280, 390, 390), rows, strict=False):
            chromium.resize(browser, width, 1300)
            browser.get((place / page).resolve().as_uri())
            wait = WebDriverWait(browser, 120)
            wait.until(lambda d: d.execute_script("return document.body.dataset.ready"))
            browser.find_element("id", "file").send_keys(str(place / row["file"]))
            wait.until(lambda d: d.execute_script(shown))
            likeliest, *others = browser.find_elements("css selector", "#shares li")
            label, share = likeliest.text.split("\n")
            assert label == row["class"] and len(others) == 6
            percent = 100 * float(row["probability"])
            assert float(share.split()[0]) == pytest.approx(percent, abs=0.1)
            browser.save_screenshot(str(SCREENSHOTS / f"kuzushiji7-try-{width}.png"))
    finally:
        browser.quit()
