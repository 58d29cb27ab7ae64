"""The report over two small models: whole pages, true figures, nothing done twice."""

import base64
import csv
import dataclasses
import hashlib
import html.parser
import io
import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support.report_models import (
    SMALL,
    small_dataset,
    train_two,
    write_audit,
    write_search,
)

from fmkeras.__main__ import main
from fmkeras.datasets import load_dataset
from fmkeras.datasets.splits import limit_training
from fmkeras.errors import UserError
from fmkeras.recipes import find_recipe
from fmkeras.report.plots.charts import inline_svg, scatter_figure
from fmkeras.report.site import build, entries, images, pages
from fmkeras.report.site.entries import page_name
from fmkeras.report.site.leaderboard import leaderboard
from fmkeras.report.site.page_info import collect_page_info, gallery
from fmkeras.training.run import train

NETS = {"net-linear-garments", "net-lenet_relu-garments"}
PAGES = {"index", "compare", "searches", "search-first", "audit", *NETS}


class Checker(html.parser.HTMLParser):
    """Collects ids, links and images; every element must be closed in its order."""

    EMPTY = {"meta", "link", "img", "br", "input"}

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.pictures, self.open = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found and "svg" not in self.open else []
        self.links += [found[key] for key in ("href", "src") if key in found]
        if tag == "img":
            assert found.get("alt"), found
            self.pictures.append(found["src"])
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


@pytest.fixture(scope="module")
def dataset():
    return small_dataset()


@pytest.fixture(scope="module")
def made(tmp_path_factory, dataset):
    """The folder of a report, made by the command line, and its two runs."""
    folder = tmp_path_factory.mktemp("report")
    runs = train_two(folder, dataset)
    write_audit(folder / "audit.json", dataset)
    write_search(folder / "saved_models")
    assert main(arguments(folder)) == 0
    return folder, runs


def arguments(folder, *more):
    flags = ["--models-dir", folder / "saved_models", "--runs", folder / "runs"]
    flags += ["--audit", folder / "audit.json", "--out", folder / "site", *more]
    return ["report", *SMALL, *map(str, flags)]


def read(made, name):
    return (made[0] / "site" / f"{name}.html").read_text()


def test_there_is_a_page_of_everything(made):
    site = made[0] / "site"
    assert {path.stem for path in site.glob("*.html")} == PAGES
    assert len(list(site.glob("images-*.png"))) == 10
    assert not list(site.glob(".*"))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_whole(name, made):
    text = read(made, name)
    found = Checker(text)
    assert len(set(found.ids)) == len(found.ids)
    for link in found.links:
        if link.startswith("#"):
            assert link[1:] in found.ids
        elif not link.startswith("data:"):
            assert (made[0] / "site" / link).is_file(), link
    # Neither a server nor a network: no address but those of SVG's own words.
    assert not set(re.findall(r"https?://[^\"'< ]+", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert text.count("<h1>") == 1 and 'lang="en"' in text
    for picture in (src for src in found.pictures if src.startswith("data:")):
        data = base64.b64decode(picture.partition(",")[2], validate=True)
        with Image.open(io.BytesIO(data)) as image:
            assert min(image.size) >= 3


def test_the_leaderboard_says_what_the_cards_say(made):
    text = read(made, "index")
    for run in made[1]:
        low, high = run.evaluation.interval
        assert f"{100 * run.evaluation.accuracy:.2f}</td>" in text
        assert f"{100 * low:.2f}&ndash;{100 * high:.2f}" in text
        assert f"{run.record['parameters']:,}</td>" in text
        assert f'href="{page_name(run.artifact.stem)}"' in text


def test_a_model_of_any_size_and_one_that_cannot_be_counted_have_their_rows(
    made, dataset, tmp_path
):
    pixels = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(10, 3)(pixels)
    counted = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x))
    counted.save(tmp_path / "any.keras")
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.EinsumDense("ab,bc->ac", 10)(keras.layers.Flatten()(pixels))
    keras.Model(pixels, x).save(tmp_path / "einsum.keras")
    page = report(tmp_path, dataset, ["any", "einsum"], pixels="0..255")
    table = (page.parent / "leaderboard.csv").read_text()
    rows = {row["model"]: row for row in csv.DictReader(table.splitlines())}
    assert rows["any"]["multiply_adds"] == str(26 * 26 * 9 * 10)
    assert rows["einsum"]["multiply_adds"] == ""


def report(folder, dataset, names, **more):
    """Report on models of a folder that has neither runs nor an audit."""
    absent = {"runs": [], "audit": folder / "absent.json"}
    out = {"models_dir": folder, "out": folder / "site"}
    return build.report_on_saved(names, dataset, **absent, **out, **more)


def test_a_net_whose_epoch_the_test_images_chose_is_marked(made, dataset):
    [entry] = entries.saved_entries(
        [made[1][0].artifact], "", dataset, [], made[0] / "site/cache"
    )
    entry.card["recipe"]["data_split"] = "fashionnet"
    [row] = leaderboard([entry], made[0] / "records", dataset)
    assert row["note"] == "120 of these images chose its epoch, as in its source"
    assert row["seeds"] is None
    entry.card["dataset"]["checksum"] = "of other images"
    [row] = leaderboard([entry], made[0] / "records", dataset)
    assert row["note"] == ""


def test_published_figures_stand_beside_fashion_mnist_alone(made, dataset, tmp_path):
    [entry] = entries.saved_entries(
        [made[1][0].artifact], "", dataset, [], made[0] / "site/cache"
    )
    [row] = leaderboard([entry], tmp_path, dataset)
    assert row["published"] is None and row["note"] == ""
    own = dataclasses.replace(dataset, name="fashion-mnist")
    [row] = leaderboard([entry], tmp_path, own)
    assert row["published"] == 0.7089 and "10 epochs" in row["note"]


def test_seeds_are_those_of_the_same_recipe_and_backend(made, dataset, tmp_path):
    record = made[1][0].record
    for seed, accuracy in enumerate((0.5, 0.6)):
        content = record | {"seed": seed, "test": {"accuracy": accuracy}}
        (tmp_path / "study").mkdir(exist_ok=True)
        path = tmp_path / f"study/{seed}.json"
        path.write_text(json.dumps(content))
    [entry] = entries.saved_entries(
        [made[1][0].artifact], "", dataset, [], made[0] / "site/cache"
    )
    [row] = leaderboard([entry], tmp_path, dataset)
    assert row["seeds"]["mean"] == pytest.approx(0.55)
    other = dataclasses.replace(dataset, name="fashion-mnist")
    assert leaderboard([entry], tmp_path, other)[0]["seeds"] is None
    for card in (
        entry.card | {"options": {"width": 3}},
        entry.card | {"precision": "bfloat16"},
        entry.card | {"recipe": entry.card["recipe"] | {"epochs": 7}},
        entry.card | {"recipe": entry.card["recipe"] | {"learning_rate": 7.0}},
        {"model": "linear"},
    ):
        one = dataclasses.replace(entry, card=card)
        assert leaderboard([one], tmp_path, dataset)[0]["seeds"] is None


def test_seeds_of_a_study_in_bfloat16_are_found(made, dataset, tmp_path):
    record = made[1][0].record | {"precision": "bfloat16"}
    (tmp_path / "study").mkdir()
    for seed in (0, 1):
        path = tmp_path / f"study/{seed}.json"
        path.write_text(json.dumps(record | {"seed": seed}))
    [entry] = entries.saved_entries(
        [made[1][0].artifact], "", dataset, [], made[0] / "site/cache"
    )
    entry = dataclasses.replace(entry, card=record)
    assert leaderboard([entry], tmp_path, dataset)[0]["seeds"]["seeds"] == [0, 1]


def test_the_page_of_a_net(made):
    text = read(made, "net-lenet_relu-garments")
    run = made[1][1]
    for part in ("Loss and accuracy over 2 epochs", "each class over the epochs"):
        assert part in text.replace("F1 of ", "")
    for name in ("Grad-CAM", "conv_1: 6 of 5 x 5", "6 maps of 24 x 24", "Temperature"):
        assert name in text
    for (true, predicted), count in np.ndenumerate(run.evaluation.confusion):
        there = f'data-cell="{true}-{predicted}" data-count="{count}"' in text
        assert there == (count > 0)
    assert "python" in text and "<dd>adamw</dd>" in text
    assert "saliency" in read(made, "net-linear-garments")


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"imported": {"file": "x.pth"}, "command": "fmkeras import"}, "were imported"),
        ({"recipe": {"epochs": 7}}, "<dt>epochs</dt><dd>7</dd>"),
        ({"model": "linear"}, "Its card names no recipe"),
        ({}, "The file has no card"),
    ],
)
def test_a_page_says_what_the_card_knows(card, words, made, dataset, tmp_path):
    [entry] = entries.saved_entries(
        [made[1][0].artifact], "", dataset, [], made[0] / "site/cache"
    )
    site = pages.Site(tmp_path, dataset)
    entry = dataclasses.replace(entry, card=card)
    site.write_model(collect_page_info(entry, dataset, 0), "net.html")
    text = (tmp_path / "net.html").read_text()
    Checker(text)
    assert words in text and ("has no card" in text) == (not card)
    assert ("fmkeras import" in text) == ("command" in card)


def test_searches_are_listed_and_show_their_trials_the_best_first(made):
    row = re.search(
        r'href="search-first.html">first</a>.*?</tr>', read(made, "searches"), re.S
    )
    assert "12 of 14" in row[0] and "90.50" in row[0]
    text = read(made, "search-first")
    rows = re.findall(r'<tr data-trial="(\d+)"', text)
    assert rows[:3] == ["05", "04", "06"] and len(rows) == 14
    assert "64-32" in text and "loss is &lt;not&gt; a number" in text
    for name in ("search-first.png", "plotly.min.js", "search.js"):
        assert (made[0] / "site" / name).is_file()
    charts = re.findall(r'data-chart="(\w+)">(.*?)</script>', text, re.S)
    assert [name for name, _ in charts] == [
        "history",
        "coordinates",
        "importances",
        "epochs",
    ]
    assert all(json.loads(content)["data"] for _, content in charts)


def test_cells_hold_their_own_images(made, dataset):
    evaluation = made[1][0].evaluation
    cells = gallery(evaluation, dataset.y_test)["cells"]
    for key, listed in cells.items():
        true, predicted = map(int, key.split("-"))
        count = evaluation.confusion[true, predicted]
        assert len(listed) == (min(count, 40) if true == predicted else count)
        for place, number, share in listed:
            assert dataset.y_test[number] == true
            assert evaluation.predictions[number] == predicted
            assert np.flatnonzero(dataset.y_test == true)[place] == number
            assert share == round(1e4 * evaluation.probabilities[number].max())
        shares = [share for *_, share in listed]
        assert shares == sorted(shares, reverse=true != predicted)
    embedded = re.search(
        r'id="cells">(.*?)</script>', read(made, "net-linear-garments"), re.DOTALL
    )
    assert json.loads(embedded[1])["cells"] == cells


def test_a_sheet_holds_each_image_in_its_place(tmp_path, dataset):
    some = dataset.x_test[:45]
    images.write_sheet(some, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 28, 40 * 28)
    np.testing.assert_array_equal(sheet[28:56, 4 * 28 : 5 * 28], some[44])
    assert not sheet[28:56, 5 * 28 :].any()


def test_the_licence_of_fashion_mnist_goes_with_its_pictures(tmp_path, dataset):
    for name, wanted in (("fashion-mnist", True), ("garments", False)):
        folder = tmp_path / name
        folder.mkdir()
        pages.Site(folder, dataclasses.replace(dataset, name=name)).write_assets()
        path = folder / pages.FASHION_MNIST_LICENCE
        assert path.exists() == wanted
    assert "Zalando SE" in (tmp_path / "fashion-mnist" / path.name).read_text()


def test_outputs_are_computed_once(made, monkeypatch, capsys):
    monkeypatch.setattr(entries, "predict", None)
    assert main(arguments(made[0])) == 0
    kept = sorted((made[0] / "site/cache").iterdir())
    assert len(kept) == 4  # test and validation images of two models
    kept[0].write_bytes(kept[0].read_bytes()[:50])
    with pytest.raises(TypeError):
        main(arguments(made[0]))
    kept[0].unlink()


def test_without_runs_and_audit_pages_say_so(made, tmp_path, dataset):
    shutil.copy(made[1][0].artifact, tmp_path / "plain.keras")
    page = build.report_on_saved(
        ["plain"],
        dataset,
        models_dir=tmp_path,
        out=tmp_path / "site",
        runs=[tmp_path],
        audit=tmp_path / "absent.json",
    )
    assert {path.stem for path in page.parent.glob("*.html")} == {"index", "net-plain"}
    text = (page.parent / "net-plain.html").read_text()
    assert "No curves" in text and "No temperature" in text and "no card" in text
    for path in page.parent.glob("*.html"):
        Checker(path.read_text())


def test_a_report_on_one_run(made, capsys):
    run = made[1][1]
    assert main(["report", *SMALL, "--run", str(run.folder)]) == 0
    page = run.folder / "report/index.html"
    assert f"Report: {page}" in capsys.readouterr().out
    text = page.read_text()
    Checker(text)
    assert f"{100 * run.evaluation.accuracy:.2f} %" in text and "<h2" in text


def test_a_run_of_other_data_is_refused(made, tmp_path, dataset):
    folder = made[1][0].folder
    others = load_dataset("garments", train_size=420, test_size=200)
    names = (*dataset.class_names, "Hat")
    for other in (others, dataclasses.replace(dataset, class_names=names)):
        with pytest.raises(UserError, match="other data; expected garments") as caught:
            entries.run_entry(folder, other, tmp_path)
        assert "Received: garments of 4" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_run_of_a_part_of_the_data_has_its_validation_images(made, tmp_path, dataset):
    part = limit_training(dataset, 100, seed=0)
    record = made[1][0].record
    told = {"checksum": part.checksum, "train": 90, "validation": 10}
    record = record | {"dataset": record["dataset"] | told}
    (tmp_path / "record.json").write_text(json.dumps(record))
    shutil.copy(made[1][0].folder / "checkpoint.npz", tmp_path)
    entry = entries.run_entry(tmp_path, dataset, tmp_path / "cache")
    assert entry.temperature.fitted_on == 10


def test_a_run_of_an_own_network_is_that_of_its_file(made, tmp_path, dataset):
    file = Path(shutil.copy(made[1][0].artifact, tmp_path / "own.keras"))
    recipe = find_recipe("default", "linear").replace(epochs=1)
    run = train(str(file), recipe, dataset, out=tmp_path, runs=tmp_path / "runs")
    file.unlink()
    entry = entries.run_entry(run.folder, dataset, tmp_path / "cache")
    assert entry.evaluation.accuracy == run.evaluation.accuracy
    for path in run.folder.glob("*.keras"):
        path.unlink()
    with pytest.raises(UserError, match="no finished run.*it holds no .keras file"):
        entries.run_entry(run.folder, dataset, tmp_path / "cache")


def test_a_run_without_its_weights_is_refused(made, tmp_path, dataset):
    run = made[1][0]
    shutil.copy(run.folder / "record.json", tmp_path)
    np.savez(tmp_path / "checkpoint.npz", state=np.array("{}"))
    with pytest.raises(UserError, match="no finished run"):
        entries.run_entry(tmp_path, dataset, tmp_path / "cache")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--image", "200"], "no such test image; expected a number from 0 to 199"),
        (["--run", "absent"], "no finished run.*Received: 'absent'"),
        (["--models", "absent"], "There is no model file"),
        (["--audit", "damaged.json"], "The audit 'damaged.json' is damaged"),
    ],
)
def test_mistakes_are_one_line(more, message, made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("damaged.json").write_text("{")
    assert main(arguments(made[0], *more)) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1, error


def test_a_try_page_of_another_file_is_left_out(made, tmp_path, dataset, capsys):
    artifact = made[1][0].artifact
    [entry] = entries.saved_entries([artifact], "", dataset, [], made[0] / "site/cache")
    page = tmp_path / "try" / entry.name
    page.mkdir(parents=True)
    for content, links in ((artifact.read_bytes(), 1), (b"older", 0)):
        about = {"source_sha256": hashlib.sha256(content).hexdigest()}
        script = f"window.FILES ??= {{}};\nFILES.about = {json.dumps(about)};\n"
        (page / "model.js").write_text(script)
        found = build.copy_try_pages([entry], tmp_path / "try", tmp_path / "out")
        assert len(found) == links
    error = capsys.readouterr().err
    assert "runs another file" in error and error.count("\n") == 1


def test_two_models_of_one_name_are_refused(made, tmp_path, dataset):
    path = made[1][0].artifact
    shutil.copy(path, tmp_path / path.name)
    with pytest.raises(UserError, match="the same name"):
        entries.saved_entries(
            [path, tmp_path / path.name], tmp_path, dataset, [], tmp_path / "cache"
        )


def test_the_history_in_a_card_serves_where_there_is_no_run():
    columns = {"loss": [0.5, 0.4], "accuracy": [0.7, 0.8]}
    assert entries._rows(columns) == [
        {"epoch": 1, "loss": 0.5, "accuracy": 0.7},
        {"epoch": 2, "loss": 0.4, "accuracy": 0.8},
    ]
    assert entries._rows(None) == []


def test_names_of_points_do_not_cover_each_other():
    figure = scatter_figure(
        ["first", "second", "third"],
        [1_000, 1_010, 50_000],
        [0.9, 0.9005, 0.8],
        [(0.89, 0.91), (0.89, 0.91), (0.79, 0.81)],
        "Parameters",
    )
    [axes] = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 3
    for number, box in enumerate(boxes):
        assert axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def test_black_is_the_colour_of_the_page():
    figure = scatter_figure(["a"], [10], [0.5], [(0.4, 0.6)], "<x>")
    svg = inline_svg(figure, 'It says "a"')
    assert svg.startswith("<svg ") and "#000000" not in svg and "currentColor" in svg
    assert 'aria-label="It says &quot;a&quot;"' in svg and ' id="figure' not in svg


@pytest.mark.parametrize("name", ["a b", "ä/ö", "<x>"])
def test_page_names_are_plain(name):
    assert re.fullmatch(r"net-[A-Za-z0-9_.~-]+\.html", page_name(name))
