"""The command line of the tuner: mistakes are one line and exit code 2."""

import dataclasses
import json
import os
import re
import socket

import pytest
from support.tuning import BACKEND, GRID, RANGES, ROOT, search_arguments

from fmkeras.files import locks
from tuner.__main__ import main


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    """No mistake may be found only when trials begin."""
    import tuner.run

    monkeypatch.setattr(tuner.run, "search_here", lambda *arguments: [])
    monkeypatch.setattr(tuner.run, "search_with_workers", lambda *arguments: [])
    monkeypatch.setattr(locks, "PATIENCE", 0.2)


def mistake(capsys, arguments):
    """Run a command that must fail; return its one line."""
    capsys.readouterr()
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err
    assert code == 2, error
    assert error.startswith("tuner") and error.count("\n") == 1, error
    return error


SMALL = ["--data", "garments", "--train-size", "300", "--test-size", "20"]
WRONG = [
    (["--model", "lenett"], "Did you mean lenet"),
    (["--model", "mlp", "--space", "narrow"], "Unknown space; expected one of: batch"),
    (["--model", "mlp", "--space", "none.json"], "none.json' cannot be read"),
    (["--model", "mlp", "--search", "annealing"], "Unknown search; expected one of"),
    (
        ["--model", "mlp", "--objective", "test_accuracy"],
        "expected one of: val_accuracy, val_loss .the test images choose nothing",
    ),
    (["--model", "mlp", "--search", "grid"], "A grid takes lists.*learning_rate"),
    (["--model", "mlp", "--trials", "0"], "Bad TRIALS; expected 1 or more"),
    (["--model", "mlp", "--trials", "few"], "expected a whole number"),
    (["--model", "mlp", "--epochs", "0"], "Bad epochs"),
    (["--model", "mlp", "--workers", "0"], "expected a whole number of at least 1"),
    (["--model", "mlp", "--backend", "theano"], "Unknown backend"),
    (
        ["--model", "mlp", "--search", "hyperband", "--trials", "3"],
        "expected no TRIALS. Received: 3",
    ),
    (["--resume", "absent"], "There is no search to go on with.*'absent'"),
    (["--frob"], "unrecognized arguments: --frob"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_a_mistake_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, mistake(capsys, ["search", *arguments, *SMALL]))
    assert not list(tmp_path.glob("runs/*/settings.json"))


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({}, "is empty; expected at least one of: epochs, batch_size"),
        ({"bach_size": [8]}, "Unknown hyperparameter.*'bach_size'"),
        ({"dropout": [0.5]}, "Unknown hyperparameter.*'dropout'"),
        ({"batch_size": [8, 0]}, "Bad batch_size; expected a whole number from 1"),
        ({"optimizer": ["adamw", "adamm"]}, "Bad optimizer; expected one of adam"),
    ],
)
def test_a_bad_space_is_one_line(hyperparameters, message, capsys, tmp_path):
    space = {"hyperparameters": hyperparameters}
    arguments = search_arguments(tmp_path, "bad", space, "--search", "grid")
    assert re.search(message, mistake(capsys, arguments))


def test_a_folder_in_use_names_its_owner(tmp_path, capsys):
    arguments = search_arguments(tmp_path, "used", GRID)
    with locks.locked(tmp_path / "tune-used", "a search"):
        line = mistake(capsys, arguments)
    told = r"Another process is at work in .*a search.*process \d+ on .* since"
    assert re.search(told, line)
    assert main(arguments) == 0


def test_an_old_folder_takes_no_other_search(tmp_path, capsys):
    arguments = search_arguments(tmp_path, "old", RANGES, "--search", "random")
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert main([*arguments, "--trials", "3"]) == 0
    for further, key in (
        (["--search", "bayesian"], "search"),
        (["--epochs", "2"], "recipe"),
        (["--seed", "1"], "seed"),
        (["--objective", "val_loss"], "objective"),
        (["--data-seed", "1"], "data"),
        (["--model", "linear"], "model"),
    ):
        line = mistake(capsys, [*arguments, *further])
        assert f"has another {key}; expected" in line and "another NAME" in line
    other = search_arguments(tmp_path, "old", GRID, "--search", "random")
    assert "has another space; expected" in mistake(capsys, other)


def test_resume_needs_the_folder_alone(tmp_path, capsys):
    assert main(search_arguments(tmp_path, "a", RANGES, "--search", "random")) == 0
    before = json.loads((tmp_path / "tune-a/settings.json").read_text())
    assert main(["search", "--resume", str(tmp_path / "tune-a")]) == 0
    assert json.loads((tmp_path / "tune-a/settings.json").read_text()) == before


def test_a_search_that_goes_on_takes_no_other_settings(tmp_path, capsys, monkeypatch):
    other = {"torch": "jax", "tensorflow": "torch", "jax": "torch"}[BACKEND]
    arguments = search_arguments(tmp_path, "a", RANGES, "--search", "random")
    assert main([*arguments, "--seed", "3"]) == 0
    again = ["search", "--resume", str(tmp_path / "tune-a")]
    for flag, value, name in (
        ("--backend", other, "backend"),
        ("--seed", "1", "seed"),
        # Those that a search without the flag has.
        ("--seed", "0", "seed"),
        ("--data", "fashion-mnist", "data"),
        ("--objective", "val_loss", "objective"),
    ):
        for words in ([flag, value], [f"{flag}={value}"]):
            line = mistake(capsys, [*again, *words])
            assert f"has its own {name}; expected" in line
            assert line.endswith(f"leave {flag} out. Received: {value}\n")
    # What it has may be said again; the environment has a backend for all commands.
    assert main([*again, "--seed", "3", "--resize", "stretch", "--data-seed", "0"]) == 0
    monkeypatch.setenv("KERAS_BACKEND", other)
    assert main(again) == 0


@pytest.mark.parametrize(
    ("caller", "command"),
    [
        ("make", "make tune 'RESUME={}' DATA_DIR=d"),
        ("fmkeras", "fmkeras tune --resume '{}' --data-dir d"),
    ],
)
def test_an_interrupted_search_says_what_goes_on(
    caller, command, tmp_path, capsys, monkeypatch, garments
):
    import tuner.cli
    import tuner.run

    def search(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuner.run, "search_here", search)
    # As if they had been found in that folder.
    monkeypatch.setattr(tuner.cli, "load_data", lambda args: garments)
    monkeypatch.setenv("FMKERAS_USED_BY", caller)
    folder = tmp_path / "my runs"
    folder.mkdir()
    arguments = search_arguments(folder, "a", RANGES, "--data-dir", "d")
    assert main(arguments) == 130
    expected = f"Search interrupted; {command.format(folder / 'tune-a')} goes on.\n"
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("further", "expected"),
    [((), "127.0.0.1:8765"), (("--host", "0.0.0.0"), "0.0.0.0:8765")],
)
def test_a_chief_listens_on_this_machine_unless_told(
    further, expected, tmp_path, monkeypatch
):
    import tuner.run

    told = []
    listen = lambda settings, folder, address, names: told.append(address) or []  # noqa: E731
    monkeypatch.setattr(tuner.run, "search_with_workers", listen)
    arguments = search_arguments(tmp_path, "far", GRID, "--search", "grid")
    assert main(["chief", *arguments[1:], "--port", "8765", *further]) == 0
    assert told == [expected]


def test_another_projects_chief_is_not_heeded(tmp_path, monkeypatch):
    """KerasTuner would make this search a worker, which waits for that chief."""
    import tuner.run

    left = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
    for name in left:
        monkeypatch.setenv(name, "1")
    seen = []

    def search(*arguments):
        seen.append([name for name in left if name in os.environ])
        return []

    monkeypatch.setattr(tuner.run, "search_here", search)
    arguments = search_arguments(tmp_path, "left", GRID, "--search", "grid")
    assert main(arguments) == 0
    assert seen == [[]]


def test_a_worker_needs_a_chief_and_a_search(tmp_path, capsys):
    line = mistake(capsys, ["worker", "--name", "a"])
    assert "required: --chief" in line
    line = mistake(capsys, ["worker", "--chief", "here", "--name", "a"])
    assert "Expected HOST:PORT. Received: 'here'" in line
    line = mistake(capsys, ["worker", "--chief", "a:1"])
    assert "Expected NAME, or RESUME" in line
    line = mistake(capsys, ["worker", "--chief", "a:1", "--resume", str(tmp_path)])
    assert "There is no search to go on with" in line


def test_no_chief_answers(monkeypatch):
    from fmkeras.errors import UserError
    from tuner.distributed.chief import join

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UserError, match=f"No chief answers.*CHIEF={address}"):
            join(address, patience=0.5)
        monkeypatch.setenv("FMKERAS_USED_BY", "fmkeras")
        with pytest.raises(UserError, match="that 'fmkeras tune chief' printed"):
            join(address, patience=0.1)


def test_settings_of_every_published_search_are_read_again(tmp_path):
    from fmkeras.recipes import PUBLISHED
    from tuner.cli import build_parser, make_settings
    from tuner.settings import read_settings, save_or_check

    for model in ("lenet_relu", "mlp"):
        for space in ("batch-lr-grid", "standardise-grid", "wide"):
            words = ["search", "--model", model, "--space", space]
            settings = make_settings(build_parser().parse_args(words))
            folder = tmp_path / model / space
            # Searches of before gave the recipe the name of the space.
            old = dataclasses.replace(settings.recipe, name=space)
            save_or_check(folder, dataclasses.replace(settings, recipe=old))
            save_or_check(folder, settings)
            assert read_settings(folder).to_dict() == settings.to_dict()
            assert settings.recipe.name not in PUBLISHED
            save_or_check(folder, settings)


def test_the_arguments_of_a_recipe_file_are_of_every_trial(tmp_path):
    from fmkeras.recipes import find_recipe
    from tuner.cli import build_parser, make_settings
    from tuner.settings import read_settings, save_or_check
    from tuner.trials.run import trial_recipe

    file = tmp_path / "best.json"
    recipe = find_recipe("default", "mlp").to_dict()
    content = {"model": "mlp", "options": {"hidden_units": [32]}, "recipe": recipe}
    file.write_text(json.dumps(content))
    words = ["search", "--model", "mlp", "--recipe", str(file), "--space"]
    settings = make_settings(build_parser().parse_args([*words, "batch-lr-grid"]))
    save_or_check(tmp_path, settings)
    plan = {"values": {"batch_size": 10}}
    for kept in (settings, read_settings(tmp_path)):
        assert trial_recipe(kept, plan)[1] == {"hidden_units": (32,)}
    # What is chosen goes before what is kept.
    plan["values"]["hidden_units"] = [64]
    assert trial_recipe(settings, plan)[1]["hidden_units"] in ((64,), [64])


def test_hyperband_takes_no_mean_over_the_last_epochs(tmp_path, capsys):
    from fmkeras.recipes import find_recipe

    file = tmp_path / "swa.json"
    recipe = find_recipe("default", "mlp").replace(swa_epochs=3, ema=0.0)
    file.write_text(json.dumps(recipe.to_dict()))
    words = ["--model", "mlp", "--search", "hyperband", "--recipe", str(file), *SMALL]
    assert "expected no swa_epochs" in mistake(capsys, ["search", *words])


def gone_on(folder, kept, **recipe):
    """Return the folder of a trial that may go on from one that kept that file."""
    from fmkeras.recipes import Recipe
    from tuner.trials.run import _go_on_from

    earlier = folder / "earlier"
    earlier.mkdir()
    (earlier / kept).write_text("")
    config = {"model": "mlp", "options": {}, "recipe": {}, "seed": 0}
    config |= {"backend": "torch", "dataset": {"name": "garments"}}
    (earlier / "config.json").write_text(json.dumps(config))
    _go_on_from(earlier, folder / "later", Recipe(**recipe))
    return folder / "later"


@pytest.mark.parametrize(
    ("changes", "follows"),
    [
        ({"schedule": "constant"}, False),
        ({"schedule": "step"}, False),
        ({"schedule": "cosine"}, True),
        ({"schedule": "linear"}, True),
        ({"optimizer": "ranger21"}, True),
        ({"swa_epochs": 1}, True),
    ],
)
def test_a_trial_goes_on_only_from_what_were_its_own_first_epochs(
    tmp_path, changes, follows
):
    later = gone_on(tmp_path, "checkpoint.npz", **changes)
    assert (later / "checkpoint.npz").exists() != follows


def test_a_trial_goes_on_from_the_checkpoint_that_a_kill_has_left(tmp_path):
    later = gone_on(tmp_path, "checkpoint-previous.npz", schedule="constant")
    assert (later / "checkpoint-previous.npz").exists()


def test_help_names_every_command(capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    for command in ("search", "chief", "worker"):
        assert re.search(f"^ +{command} ", output, re.M)
    assert (ROOT / "tuner").is_dir()
