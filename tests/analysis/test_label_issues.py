"""Wrong labels and twins that the tests put into drawn garments are found."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.analysis import label_issues as audit_module
from fmkeras.analysis.label_issues import audit, audit_text, find_label_issues
from fmkeras.analysis.near_duplicates import find_duplicates
from fmkeras.datasets import Dataset
from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.errors import UserError
from fmkeras.recipes import Recipe, find_recipe
from fmkeras.report.tables.audit import audit_table

SMALL = ["--data", "garments", "--train-size", "60", "--test-size", "30"]
WRONG = [5, 70]


@pytest.fixture(scope="module")
def dataset():
    """Trousers and bags, easily told apart; two labels exchanged; two twins."""
    images, labels = draw_garments(3_000, 2)
    chosen = np.isin(labels, (1, 8))
    images, labels = images[chosen], labels[chosen]
    labels[WRONG] = 9 - labels[WRONG]
    images[450], images[460] = images[0], np.clip(images[1] * 0.9, 0, 255)
    return Dataset(
        "garments", images[:400], labels[:400], images[400:], labels[400:], "here", "c"
    )


@pytest.fixture(scope="module")
def result(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    recipe = find_recipe("default", "linear").replace(epochs=8)
    return audit(dataset, "linear", recipe, folder=folder), folder


def test_an_interrupted_audit_says_that_the_command_goes_on(
    tmp_path, monkeypatch, capsys
):
    def interrupted(*arguments, **further):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_module, "audit", interrupted)
    words = ["audit", "--model", "linear", *SMALL, "--out", str(tmp_path)]
    assert main(words) == 130
    assert "the same command goes on" in capsys.readouterr().out


def test_wrong_labels_are_found(result):
    content, folder = result
    found = content["parts"]["train"]["suspects"]
    assert {one["image"] for one in found} >= set(WRONG) and len(found) < 20
    for one in found:
        assert {one["label"], one["guess"]} <= {1, 8}
        assert one["label_probability"] < 0.5 < one["guess_probability"]
    assert content["parts"]["train"]["accuracy"] > 0.9
    assert content["parts"]["test"]["count"] == 200
    assert json.loads((folder / "audit.json").read_text()) == json.loads(
        json.dumps(content)
    )
    text = audit_text(content)
    assert (
        "image     5: labelled" in text
        and "exact duplicates 1, near duplicates 1" in text
    )
    weak = {"count": 10, "accuracy": 0.79, "suspects": []}
    parts = {"train": weak, "test": weak | {"accuracy": 0.8}}
    assert (
        audit_text(content | {"parts": parts}).count(
            "Under 80 %, the models err more often"
        )
        == 1
    )


def test_no_image_is_judged_by_a_model_that_saw_it(dataset, monkeypatch, tmp_path):
    trained, judged = [], []

    class FitResult:
        model = "model"

    def fit(name, recipe, part, folder, seed, callbacks=()):
        assert recipe.data_split == "full" and recipe.keep == "last"
        trained.append({image.tobytes() for image in part.x_train})
        return FitResult

    def predict(model, images):
        judged.append({image.tobytes() for image in images})
        return np.zeros((len(images), 10))

    monkeypatch.setattr(audit_module, "fit", fit)
    monkeypatch.setattr(audit_module, "predict", predict)
    recipe = find_recipe("default", "linear").replace(data_split="full", keep="last")
    audit_module._out_of_sample(dataset, "linear", recipe, tmp_path, 4, 0)
    assert len(trained) == 4 and len(judged) == 8
    for seen, fold in zip(trained, judged[::2], strict=True):
        assert not seen & fold and len(seen | fold) == 400
    assert set.union(*judged[::2]) == {image.tobytes() for image in dataset.x_train}


def test_finished_folds_are_not_trained_again(dataset, result, monkeypatch, capsys):
    content, folder = result
    monkeypatch.setattr(audit_module, "fit", None)
    recipe = find_recipe("default", "linear").replace(epochs=8)
    again = audit(dataset, "linear", recipe, folder=folder)
    assert again["parts"] == content["parts"]
    broken = sorted(folder.glob("fold2*.npz"))[0]
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(TypeError):
        audit(dataset, "linear", recipe, folder=folder)


def test_suspects_are_those_of_cleanlab_by_hand():
    # Ten images a class, sure and right, but for one of class 3 that is surely a 7.
    labels = np.repeat(np.arange(10), 10)
    probabilities = np.full((100, 10), 0.01)
    probabilities[np.arange(100), labels] = 0.91
    probabilities[35] = 0.01
    probabilities[35, 7] = 0.91
    [one] = find_label_issues(probabilities, labels)
    assert (one["image"], one["label"], one["guess"]) == (35, 3, 7)
    assert (one["label_probability"], one["guess_probability"]) == (0.01, 0.91)


def test_duplicates_by_hand():
    generator = np.random.default_rng(0)
    second = generator.integers(0, 200, (2_300, 28, 28), np.uint8)
    first = generator.integers(0, 200, (1_100, 28, 28), np.uint8)
    first[1_050] = second[2_200]
    first[3] = second[7] * 0.5
    noise = generator.integers(0, 20, (28, 28))
    first[5] = second[9] + noise.astype(np.uint8)
    first[6], second[6] = 0, 0
    pairs = find_duplicates(first, second, bar=0.2)
    found = [(pair.first, pair.second) for pair in pairs]
    assert sorted(found[:2]) == [(6, 6), (1_050, 2_200)] and pairs[1].distance == 0
    assert sorted(found[2:]) == [(3, 7), (5, 9)]
    assert [pair.exact for pair in pairs] == [True, True, False, False]
    a, b = (x.astype(float).ravel() for x in (first[5], second[9]))
    expected = np.sqrt(2 - 2 * np.corrcoef(a, b)[0, 1])
    [distance] = [pair.distance for pair in pairs if pair.first == 5]
    assert distance == pytest.approx(expected, abs=1e-4)


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["audit", *SMALL, "--model", "linear", "--epochs", "1", "--folds", "2"]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "Fold 2 of 2" in output and "Audit: runs/audit/audit.json" in output
    assert json.loads(Path("runs/audit/audit.json").read_text())["folds"] == 2
    shutil.rmtree("runs")
    with pytest.raises(SystemExit) as exit:
        main([*arguments[:-1], "1"])
    assert exit.value.code == 2 and "at least 2" in capsys.readouterr().err
    assert main(["audit", *SMALL, "--model", "linea"]) == 2
    assert "Did you mean linear" in capsys.readouterr().err


def test_the_table_of_a_record():
    record = {
        "parts": {"train": {"count": 60_000, "accuracy": 0.9, "suspects": 1_500}},
        "looked_at": {
            "images": [{"verdict": v} for v in ("wrong", "right", "wrong", "arguable")]
        },
        "duplicates": [
            {"test": 4, "distance": 0.05},
            {"test": 4, "distance": 0.07},
            {"test": 5, "distance": 0.07},
        ],
    }
    text = audit_table(record)
    assert "| train | 60,000 | 1,500 (2.50 %) | 90.00 % |" in text
    assert "first 4 issues" in text and "2 labels are wrong, 1 arguable" in text
    assert "1 right. Test images that" in text
    assert "of training images: 0; near duplicates: 2 (in 3 pairs)." in text
    twice = {"test": 4, "distance": 0.0, "exact": True}
    near = {"test": 5, "distance": 0.0, "exact": False}
    # An image with an exact duplicate is not counted a second time.
    both = {"test": 4, "distance": 0.05, "exact": False}
    duplicates = [twice, twice, near, both]
    text = audit_table(record | {"duplicates": duplicates})
    assert "of training images: 1 (in 2 pairs); near duplicates: 1." in text


def test_more_folds_than_images_of_a_class_are_refused_before_training(dataset):
    most = np.bincount(dataset.y_train).max()
    with pytest.raises(UserError, match=f"at most {most}.*Received: {most + 1}"):
        audit(dataset, "linear", Recipe(), folds=most + 1)
