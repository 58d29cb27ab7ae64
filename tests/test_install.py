"""What `pip install` gives: the same commands and files, from any folder."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmkeras.__main__ import main
from fmkeras.artifacts.lookup import best_model, find_models
from fmkeras.cli.make_words import in_own_words

ROOT = Path(__file__).parents[1]


def setup_module():
    spec = importlib.util.spec_from_file_location("fmkeras_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_models_are_small_and_have_cards():
    pytest.importorskip("setuptools")
    module = setup_module()
    files = module.small_models()
    names = {path.stem for path in files if path.suffix == ".keras"}
    assert {"lenet_relu", "logistic_regression"} <= names
    assert all((ROOT / "saved_models" / f"{name}.json") in files for name in names)
    assert sum(path.stat().st_size for path in files) <= module.MOST_BYTES


def test_the_version_names_what_figures_depend_on(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("fmkeras 0.1.0 (python ")


def test_models_are_found_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "lenet_relu" in find_models(["all"], "saved_models", "fashion-mnist")
    assert best_model("saved_models")
    # A folder that is named is the only one.
    with pytest.raises(ValueError, match="There is no model of"):
        best_model("elsewhere")


def test_tune_is_the_tuners(tmp_path):
    # A package of that name in the working folder is another's.
    (tmp_path / "tuner").mkdir()
    (tmp_path / "tuner" / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words, usage in (
        (["--help"], "usage: tuner search"),
        (["worker", "--help"], "usage: tuner worker"),
        ([], "usage: tuner"),
    ):
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "fmkeras", "tune", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.startswith(usage)


def test_a_command_is_said_as_it_can_be_typed(monkeypatch):
    command = "make train MODEL=mlp RECIPE='runs/a b/best.json' SEED=0 ARGS='--flip'"
    own = "fmkeras train --model mlp --recipe 'runs/a b/best.json' --seed 0 --flip"
    # As `python -m` in the checkout, where the Makefile is.
    assert in_own_words(command) == command
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/fmkeras", "tune"])
    assert in_own_words(command) == own
    monkeypatch.setenv("FMKERAS_USED_BY", "make")
    assert in_own_words(command) == command


@pytest.mark.slow
def test_an_installed_package_predicts_and_evaluates(tmp_path):
    pytest.importorskip("setuptools")
    target = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    pip += ["--no-build-isolation", "--target", str(target), str(ROOT)]
    subprocess.run(pip, check=True, capture_output=True)
    assert (target / "fmkeras" / "saved_models" / "lenet_relu.keras").exists()
    environment = {**os.environ, "PYTHONPATH": str(target)}
    code = (
        "import fmkeras; from fmkeras.training.auto_figures import load_figures;"
        "assert load_figures()['speed'];"
        "print(fmkeras.__file__, fmkeras.load_model('lenet_relu').count_params())"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(target) in answer.stdout and "32998" in answer.stdout
