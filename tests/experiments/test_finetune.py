"""Fine-tuning beside training from scratch: the classes, the images, the record."""

import json

import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.errors import UserError
from fmkeras.experiments.finetune import finetune, finetune_text, select_classes
from fmkeras.recipes import Recipe
from fmkeras.report.tables.finetune import finetune_table

CLASSES = ("Coat", "Bag")


def test_classes_are_selected_and_numbered_anew(garments):
    part = select_classes(garments, CLASSES)
    assert part.class_names == CLASSES and part.num_classes == 2
    coats, bags = (garments.y_train == 4).sum(), (garments.y_train == 8).sum()
    assert np.bincount(part.y_train).tolist() == [coats, bags]
    assert (part.x_train[part.y_train == 1] == garments.x_train[garments.y_train == 8])[
        ()
    ].all()
    assert part.checksum != garments.checksum
    for bad in (("Coat",), ("Coat", "Coat"), ("Coat", "Hat")):
        with pytest.raises(UserError, match="Bad classes"):
            select_classes(garments, bad)


def test_both_ways_train_on_the_same_few_images(garments, tmp_path):
    record = finetune(
        "logistic_regression",
        Recipe(epochs=2, batch_size=32, learning_rate=0.01),
        garments,
        CLASSES,
        images=40,
        pretrain_epochs=1,
        seeds=(3, 4),
        folder=tmp_path,
        log=lambda text: None,
    )
    assert [(row["seed"], row["way"]) for row in record["rows"]] == [
        (seed, way) for seed in (3, 4) for way in ("from scratch", "fine-tuned")
    ]
    assert len(record["pretrained"]["classes"]) == 8
    assert not set(record["pretrained"]["classes"]) & set(CLASSES)
    assert record["images"] == 40
    configs = [json.loads(p.read_text()) for p in tmp_path.glob("runs/*/config.json")]
    trained = [config for config in configs if config["dataset"]["train"] == 36]
    assert len(trained) == 4
    assert sum("start" in config for config in trained) == 2
    by_seed = {(c["seed"], c["dataset"]["checksum"]) for c in trained}
    assert len(by_seed) == 2
    assert "difference" in finetune_text(record)
    path = tmp_path / "saved_models/records/finetune.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    table = finetune_table(tmp_path)
    assert "| fine-tuned |" in table
    # Whatever the order in which the seeds were trained.
    path.write_text(json.dumps(record | {"rows": record["rows"][::-1]}))
    assert sorted(finetune_table(tmp_path).splitlines()) == sorted(table.splitlines())
    assert "No fine-tuning" in finetune_table(tmp_path / "none")


def test_too_few_images_are_refused_before_any_training(garments, tmp_path):
    with pytest.raises(UserError, match="expected 4 to .*Received: 3"):
        finetune(
            "linear",
            Recipe(),
            garments,
            CLASSES,
            images=3,
            pretrain_epochs=1,
            seeds=[0],
            folder=tmp_path,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["linear", "fmk_100k"])
def test_the_command_takes_networks_that_train_on_all_images(
    model, tmp_path, monkeypatch, capsys
):
    """Of `fmk_...` the record had no validation accuracy to show."""
    monkeypatch.chdir(tmp_path)
    recipes = []

    def few(name, recipe, dataset, classes, **how):
        recipes.append(recipe)
        return finetune("linear", recipe, dataset, classes, **how)

    monkeypatch.setattr("fmkeras.experiments.finetune.finetune", few)
    words = ["finetune", "--model", model, "--data", "garments", "--train-size", "300"]
    words += ["--test-size", "60", "--classes", *CLASSES, "--images", "20"]
    words += ["--epochs", "1", "--pretrain-epochs", "1", "--seeds", "0"]
    assert main([*words, "--out", "found.json"]) == 0
    assert (recipes[0].data_split, recipes[0].keep) == ("holdout", "best")
    assert "difference" in capsys.readouterr().out
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [row["way"] for row in rows] == ["from scratch", "fine-tuned"]
