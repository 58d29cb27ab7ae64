import json
import re
from pathlib import Path

import pytest

from fmkeras.__main__ import main
from fmkeras.errors import UserError
from fmkeras.experiments import repeat as studies
from fmkeras.experiments.published_figures import FIGURES
from fmkeras.experiments.reproduce import (
    PUBLISHED_PER_CLASS,
    comparison_text,
    figures_of,
    our_figure,
    reproduce,
    study_records,
)
from fmkeras.labels import CLASS_NAMES
from fmkeras.models import list_models, model_info
from fmkeras.recipes import FAULTS, PUBLISHED, find_recipe
from fmkeras.report.tables.published import (
    faults_table,
    published_classes_table,
    published_epochs_table,
    published_shirts_table,
    published_table,
)

PUBLISHED_NAMES = {*list_models(), *(figure.model for figure in FIGURES)}


def make_record(
    model="fashionnet", seed=0, accuracy=0.91, epochs=None, recipe="published", **more
):
    figures = {"precision": accuracy, "recall": 0.5, "f1": 0.625, "support": 400}
    published = find_recipe(recipe, model)
    inference = {"accuracy": 0.5, "loss": 1.0, "batch_loss": 1.25}
    return {
        "model": model,
        "parameters": model_info(model).parameters,
        "recipe": published.to_dict() | {"epochs": epochs or published.epochs},
        "seed": seed,
        "backend": "torch",
        "precision": "float32",
        "dataset": {"name": "fashion-mnist"},
        "device": "CPU (two cores)",
        "commit": "0123456789abcdef",
        "train": {"accuracy": 0.75, "loss": 0.5},
        "inference": dict.fromkeys(("train", "test", "train_augmented"), inference),
        "test": {
            "accuracy": accuracy,
            "per_class": {name: figures for name in CLASS_NAMES},
        },
        **more,
    }


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Runs that train nothing; their commands are collected.

    What a command writes where nobody said goes into `tmp_path` too: a test that fails
    leaves no record that the tables would take for a run.
    """
    monkeypatch.chdir(tmp_path)
    commands = []

    def pretend(command):
        commands.append(command)
        folder = Path(command[command.index("--runs") + 1]) / "run"
        folder.mkdir(parents=True)
        model = command[command.index("--model") + 1]
        seed = int(command[command.index("--seed") + 1])
        recipe = find_recipe(command[command.index("--recipe") + 1], model)
        if "--epochs" in command:
            epochs = int(command[command.index("--epochs") + 1])
            recipe = recipe.replace(epochs=epochs)
        record = make_record(model, seed) | {"recipe": recipe.to_dict()}
        (folder / "record.json").write_text(json.dumps(record))
        return 0

    monkeypatch.setattr(studies, "run_child", pretend)
    return commands


def places(tmp_path):
    return {"records": tmp_path / "records", "runs": tmp_path / "runs"}


def test_a_protocol_is_the_published_recipe_once_a_seed(trained, tmp_path):
    found = reproduce("fashionnet", "jax", [0, 1], **places(tmp_path))
    assert [record["seed"] for record in found] == [0, 1]
    for command in trained:
        assert command[command.index("--recipe") + 1] == "fashionnet"
        assert command[command.index("--backend") + 1] == "jax"
        assert "--epochs" not in command
    names = [path.name for path in (tmp_path / "records/published").iterdir()]
    assert sorted(names) == [f"fashionnet-jax-seed{n}.json" for n in (0, 1)]


def test_a_short_run_is_kept_apart(trained, tmp_path):
    reproduce("fashionnet", "torch", [0], 3, **places(tmp_path))
    assert trained[0][-2:] == ["--epochs", "3"]
    assert (tmp_path / "records/published-short").exists()
    assert not (tmp_path / "records/published").exists()
    # The published number of epochs is no short run.
    reproduce("fashionnet", "torch", [0], 60, **places(tmp_path))
    assert (tmp_path / "records/published").exists()


@pytest.mark.parametrize("epochs", [0, 61])
def test_other_epochs_than_published_are_refused(trained, tmp_path, epochs):
    with pytest.raises(UserError, match=f"has 60 epochs.*Received: {epochs}"):
        reproduce("fashionnet", "torch", [0], epochs, **places(tmp_path))
    assert not trained


def test_a_fault_is_a_study_of_its_own(trained, tmp_path):
    found = reproduce(
        "mlp", "jax", [0], **places(tmp_path), recipe="mlp-softmax", arguments=[]
    )
    assert trained[0][trained[0].index("--recipe") + 1] == "mlp-softmax"
    assert (tmp_path / "records/published-mlp-softmax/mlp-jax-seed0.json").exists()
    assert len(found) == 1
    with pytest.raises(UserError, match="Unknown published recipe"):
        reproduce("mlp", "jax", [0], **places(tmp_path), recipe="default")


def test_a_record_of_another_recipe_is_not_passed_off_as_done(trained, tmp_path):
    write_record(
        tmp_path / "records",
        "published",
        make_record("lenet", recipe="lenet-relu-final"),
    )
    with pytest.raises(UserError, match="is of another recipe than these runs"):
        reproduce("lenet", "torch", [0], **places(tmp_path))
    assert not trained


@pytest.mark.parametrize(
    "words",
    [
        ["--limit", "100"],
        ["--lr", "0.5"],
        ["--data", "kmnist"],
        ["--init-from", "mlp"],
        ["--recipe", "default"],
    ],
)
def test_flags_that_change_a_protocol_are_refused(trained, capsys, words):
    assert main(["reproduce", "--model", "lenet", "--", *words]) == 2
    message = capsys.readouterr().err
    assert "changes the published protocol" in message and words[1] in message
    assert message.count("\n") == 1 and not trained


@pytest.mark.parametrize("model", ["tinyvgg_bn", "fmk_100k"])
def test_a_network_of_this_project_has_no_protocol(trained, tmp_path, capsys, model):
    assert model_info(model).recipe is None
    assert main(["reproduce", "--model", model, "--seeds", "0"]) == 2
    message = capsys.readouterr().err
    assert f"The network {model} is this project's own" in message
    assert message.count("\n") == 1 and not trained


def test_a_network_of_this_project_by_a_source_s_recipe_has_no_published_figure():
    record = make_record("tinyvgg_bn", recipe="tinyvgg")
    text = comparison_text("tinyvgg_bn", [record])
    assert re.search(r"test accuracy +none +91.00 %", text)


def test_every_published_figure_stands_beside_ours():
    validation = {"accuracy": 0.9, "loss": 0.4}
    frozen = {"recipe": "fashionnet-frozen", "validation": validation}
    records = [
        make_record("fashionnet_64", seed=0, accuracy=0.90, **frozen),
        make_record("fashionnet_64", seed=1, accuracy=0.91, **frozen),
    ]
    text = comparison_text("fashionnet_64", records)
    lines = {line[:34].strip(): line[34:].split() for line in text.splitlines()}
    assert lines["test accuracy"] == "90.30 % 90.50 ± 0.71 %, equal".split()
    assert lines["validation accuracy"] == "89.35 % 90.00 ± 0.00 %, above".split()
    augmented = lines["train accuracy, augmented images"]
    assert augmented == "92.22 % 50.00 ± 0.00 %, below".split()
    assert "SHORT" not in text
    shirt = next(line for line in text.splitlines() if line.startswith("Shirt"))
    assert shirt.split()[1:] == ["0.76", "0.70", "0.73", "0.91", "0.50", "0.62"]


def test_classes_are_compared_with_those_of_the_same_protocol():
    for model, recipe in (("fashionnet", "published"), ("fashionnet_64", "published")):
        assert "Shirt" not in comparison_text(
            model, [make_record(model, recipe=recipe)]
        )


def test_a_short_run_and_a_missing_figure_say_so():
    text = comparison_text("tinyvgg", [make_record("tinyvgg", epochs=3)])
    assert "published: it did not train, says its text; no code of it is left" in text
    assert re.search(r"test accuracy +none +91.00 %", text)
    assert "SHORT RUN: 3 of 10 epochs" in text


def test_ours_are_of_the_kind_and_epoch_of_the_published_figure():
    of = {
        (f.quantity, f.epoch): f.of(
            make_record(
                "tinyvgg_3",
                history={"test_accuracy": [0.1] * 5 + [0.6], "test_loss": [0.3] * 6},
            )
        )
        for f in figures_of("tinyvgg_3", "tinyvgg")
    }
    assert of == {
        ("test accuracy", 6): 0.6,
        ("test loss", 6): 0.3,
        ("test accuracy", 10): None,
        ("test loss", 10): None,
    }
    found = {f.quantity: f.of(make_record("mynet")) for f in FIGURES[:4]}
    assert found == {
        "test accuracy": 0.91,
        "train accuracy": 0.5,
        "train loss": 1.25,
        "test loss": 1.25,
    }
    running = next(f for f in FIGURES if f.value == 0.8918)
    assert running.of(make_record("lenet_relu", recipe="batch-lr-grid")) == 0.75


def test_the_verdict_follows_from_the_spread_and_the_digits_given():
    figure = next(f for f in FIGURES if f.model == "mynet")  # 92.0 %

    def verdict(*accuracies):
        return our_figure(
            figure, [make_record("mynet", accuracy=a) for a in accuracies]
        ).verdict

    assert verdict(0.9204) == "equal, one run"
    assert verdict(0.9206) == "above, one run"
    assert verdict(0.9196, 0.9196) == "equal"
    assert verdict(0.9190, 0.9190) == "below"
    assert verdict(0.9190, 0.9240) == "equal"
    assert our_figure(figure, []) is None


def test_every_published_figure_can_be_trained_for():
    for figure in FIGURES:
        recipe = find_recipe(figure.recipe_name, figure.model)
        assert figure.recipe_name in PUBLISHED
        if figure.epoch:
            assert recipe.test_each_epoch and figure.epoch <= recipe.epochs
        if figure.quantity == "validation accuracy":
            assert recipe.data_split == "fashionnet"
        if "augmented" in figure.quantity:
            assert recipe.rotation and recipe.flip


def test_a_protocol_that_differs_from_the_source_s_run_says_how():
    def notes(model, recipe):
        return {figure.note for figure in figures_of(model, recipe)}

    for model, recipe, words in (
        ("fashionnet", "fashionnet", ("64 x 64", "without dropout")),
        ("fashionnet_64", "fashionnet", ("without dropout",)),
        ("logistic_regression", "logistic", ("softmax",)),
        ("mlp", "mlp", ("softmax",)),
    ):
        (note,) = notes(model, recipe)
        assert all(word in note for word in words)
        text = comparison_text(model, [make_record(model, recipe=recipe)])
        assert text.count(f"note: {note}") == 1
    for fault in FAULTS:
        # Of the source's own protocol, which needs no word.
        found = [f.model for f in FIGURES if f.recipe_name == fault and not f.note]
        model = found[0]
        assert notes(model, fault) == {""}


def test_the_headline_figure_is_of_the_last_epoch_as_ours_beside_it():
    last = {
        (f.model, round(f.value, 4))
        for f in FIGURES
        if f.quantity == "test accuracy"
        and f.epoch in (None, find_recipe(f.recipe_name, f.model).epochs)
    }
    for name in list_models():
        accuracy = model_info(name).published_accuracy
        assert accuracy is None or (name, accuracy) in last
    assert model_info("linear").published_accuracy == 0.7089
    assert model_info("tinyvgg_3").published_accuracy == 0.8594


def test_the_published_classes_give_the_published_accuracy():
    for (name, recipe), rows in PUBLISHED_PER_CLASS.items():
        assert len(rows) == len(CLASS_NAMES)
        recall = sum(row[1] for row in rows) / len(rows)
        assert recall == pytest.approx(model_info(name).published_accuracy, abs=0.01)
        assert figures_of(name, recipe)


def write_record(folder, study, record):
    path = folder / study / f"{record['model']}-torch-seed{record['seed']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def test_the_table_has_a_row_a_figure_and_no_guess(tmp_path):
    folder = tmp_path / "saved_models/records"
    write_record(folder, "published", make_record("fashionnet", accuracy=0.91))
    write_record(folder, "published", make_record("lenet_relu", accuracy=0.8922))
    write_record(folder, "published-short", make_record("resnet18", epochs=3))
    # Made by another recipe, or of another network of the same name: not shown.
    stale = make_record("mlp")
    stale["recipe"]["preprocessing"] = "scale"
    write_record(folder, "published", stale)
    write_record(folder, "published", make_record("cnn") | {"parameters": 426_346})
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in published_table(tmp_path).splitlines()[2:]
    ]
    assert list(dict.fromkeys(row[0].strip("`") for row in rows)) == [
        name for name in list_models(variants=True) if name in PUBLISHED_NAMES
    ]

    def row(name, quantity):
        # A note in brackets may follow.
        return next(
            r[4:] for r in rows if r[0] == f"`{name}`" and r[2].startswith(quantity)
        )

    assert row("fashionnet", "test accuracy")[:3] == ["91.00 %", "above, one run", "1"]
    assert row("lenet_relu", "test accuracy")[:2] == ["89.22 %", "below, one run"]
    assert "short: 3 of 100 epochs" in row("resnet18", "test accuracy")[3]
    for name in ("lenet", "mlp", "cnn"):
        assert row(name, "test accuracy") == ["not run", "", "", "", ""]


def test_tops_taken_for_shirts_have_a_table_of_runs(tmp_path):
    folder = tmp_path / "saved_models/records"
    published = "| published | 86.64 % | 1,336 | 878 | 66 % |"
    table = published_shirts_table(tmp_path, "tinyvgg_3")
    assert table.splitlines()[2:] == [published]
    matrix = [[0] * 10 for _ in CLASS_NAMES]
    shirt, coat, bag = map(CLASS_NAMES.index, ("Shirt", "Coat", "Bag"))
    matrix[coat][shirt], matrix[bag][shirt], matrix[bag][bag] = 3, 1, 6
    record = make_record("tinyvgg_3", seed=2, accuracy=0.6)
    record["test"]["confusion_matrix"] = matrix
    write_record(folder, "published", record)
    table = published_shirts_table(tmp_path, "tinyvgg_3")
    assert table.splitlines()[2:] == [published, "| seed 2 | 60.00 % | 4 | 3 | 75 % |"]


def test_the_table_of_classes_is_of_one_protocol(tmp_path):
    folder = tmp_path / "saved_models/records"
    key = "fashionnet_64/fashionnet-frozen"
    write_record(folder, "published", make_record("fashionnet_64"))
    assert published_classes_table(tmp_path, key) == (
        "Not run yet: `make reproduce MODEL=fashionnet_64 RECIPE=fashionnet-frozen`."
    )
    record = make_record("fashionnet_64", recipe="fashionnet-frozen")
    write_record(folder, "published-fashionnet-frozen", record)
    assert "| Shirt | 0.76 |" in published_classes_table(tmp_path, key)


def test_faults_and_epochs_have_tables_of_their_own(tmp_path):
    folder = tmp_path / "saved_models/records"
    history = {"test_accuracy": [0.8] * 10, "test_loss": [0.5] * 10}
    write_record(folder, "published", make_record("tinyvgg_3", history=history))
    record = make_record("mlp", accuracy=0.8842, recipe="mlp-softmax")
    write_record(folder, "published-mlp-softmax", record)
    table = faults_table(tmp_path)
    assert "| `mlp` | mlp-softmax | test accuracy | 88.42 % | 88.42 % |" in table
    assert "logistic-softmax" in table and "fashionnet-frozen" in table
    assert "mlp-softmax" not in published_table(tmp_path)
    table = published_epochs_table(tmp_path, "tinyvgg_3")
    assert table.splitlines()[7] == "| 6 | 88.17 % | 80.00 % | 0.340 | 0.500 |"
    none = published_epochs_table(tmp_path / "none", "tinyvgg_3")
    assert none.count("not run") == 20


def test_one_mean_is_of_one_backend(tmp_path):
    folder = tmp_path / "saved_models/records"
    for seed in range(3):
        write_record(folder, "published", make_record("lenet", seed, 0.89))
    odd = make_record("lenet", 7, 0.5, backend="jax")
    write_record(folder, "published", odd)
    found = study_records("lenet", folder)
    assert [record["seed"] for record in found] == [0, 1, 2]


def test_whole_runs_go_before_short_ones(tmp_path):
    for study, epochs in (("published-short", 3), ("published", 60)):
        path = tmp_path / study / "fashionnet-torch-seed0.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(make_record(epochs=epochs)))
        (record,) = study_records("fashionnet", tmp_path)
        assert record["recipe"]["epochs"] == epochs
