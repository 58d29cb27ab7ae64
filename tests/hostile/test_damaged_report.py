"""Whatever is in a card, the report of the other models is written."""

import json
import shutil

import pytest
from support.report_models import small_dataset

from fmkeras.__main__ import main
from fmkeras.artifacts.imported import save_imported
from fmkeras.artifacts.lookup import best_model, find_models
from fmkeras.models import build_model

CARDS = [
    '{"sha256": "0", "dataset": 3}',
    '{"sha256": "0", "history": {"loss": "none"}}',
    '{"sha256": "0", "a": ' + "[" * 5000 + "]" * 5000 + "}",
    "{",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("linear", "logistic_regression"):
        origin = {"file": f"{name}.pt"}
        save_imported(build_model(name), {}, "scale", origin, small_dataset(), folder)
    return folder


def test_a_damaged_card_costs_its_own_page_alone(models, tmp_path, capsys):
    for number, text in enumerate(CARDS):
        shutil.copy(models / "linear.keras", models / f"bad{number}.keras")
        (models / f"bad{number}.json").write_text(text)
    (models / "records/damaged").mkdir(parents=True)
    (models / "records/damaged/a.json").write_text('{"model": []}')
    (models / "records/tune-damaged.json").write_text("[]")
    assert len(find_models(["all"], models, "garments")) == 2 + len(CARDS)
    out = tmp_path / "report"
    words = ["report", "--models", "all", "--models-dir", str(models)]
    words += ["--data", "garments", "--train-size", "400", "--test-size", "200"]
    assert main([*words, "--out", str(out)]) == 0
    error = capsys.readouterr().err
    for number in range(len(CARDS)):
        assert f"bad{number}.json' is damaged" in error
    assert error.count("Left out of the report") == len(CARDS) + 2
    pages = sorted(path.name for path in out.glob("net-*.html"))
    assert pages == ["net-linear.html", "net-logistic_regression.html"]


def test_the_best_model_is_found_among_damaged_ones(models):
    card = json.loads((models / "linear.json").read_text())
    card["validation"] = {"accuracy": 0.5, "loss": 1.0}
    (models / "linear.json").write_text(json.dumps(card))
    assert best_model(models, "garments") == "linear"
