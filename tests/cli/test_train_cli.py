"""The command line as a user meets it: what works, and what does not, in one line."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support.data_files import small_files, write_files

from fmkeras.__main__ import main
from fmkeras.artifacts.keras_file import load_artifact, read_card
from fmkeras.cli.parser import build_parser
from fmkeras.cli.train import _settings_of_run, recipe_of
from fmkeras.datasets import checksums
from fmkeras.training.checkpoint_file import read_checkpoint
from tuner.__main__ import main as tuner_main
from tuner.cli import build_parser as build_tuner_parser

ROOT = Path(__file__).parents[2]
SMALL = ["--data", "garments", "--train-size", "300", "--test-size", "100"]
TRAIN = ["train", "--model", "logistic_regression", *SMALL, "--epochs", "1"]
EVALUATE = ["evaluate", *SMALL, "--model"]
PROCESS = [sys.executable, "-m", "fmkeras"]
BACKEND = os.environ["KERAS_BACKEND"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each test works in an empty folder of its own, without a data folder named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FMKERAS_DATA", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def run(arguments):
    """Return the exit code of a command in this process."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def files():
    return sorted(path for path in Path().rglob("*") if path.is_file())


def assert_refused(arguments, message, capsys):
    """One line on stderr that matches, exit code 2, and no file more than before."""
    before = files()
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1 and error.startswith("fmkeras"), error
    assert files() == before


@pytest.mark.parametrize("optimizer", ["adam", "ranger21"])
def test_another_optimizer_leaves_what_was_chosen_for_the_first(optimizer):
    assert run([*TRAIN, "--optimizer", optimizer]) == 0
    (card,) = Path("saved_models").glob("*.json")
    recipe = json.loads(card.read_text())["recipe"]
    own = optimizer == "ranger21"
    assert recipe["optimizer"] == optimizer and recipe["weight_decay"] == 0
    assert recipe["schedule"] == ("constant" if own else "cosine")


@pytest.mark.every_backend
def test_train_then_evaluate(capsys):
    flags = ["--batch_size", "64", "--lr=0.01", "--optimizer", "sgd"]
    assert run([*TRAIN, *flags, "--out", "models"]) == 0
    output = capsys.readouterr().out
    assert re.search("^Epoch 1/1  .*loss", output, re.M)
    assert f"Backend {BACKEND}, " in output and "macro avg" in output
    assert {path.name for path in Path("models").iterdir()} == {
        "logistic_regression-garments.keras",
        "logistic_regression-garments.json",
    }
    card = json.loads(Path("models/logistic_regression-garments.json").read_text())
    recipe = card["recipe"]
    assert recipe["batch_size"] == 64 and recipe["learning_rate"] == 0.01
    assert recipe["optimizer"] == "sgd" and recipe["weight_decay"] == 0

    wanted = ["--json", "figures.json", "--models-dir", "models"]
    assert run([*EVALUATE, "logistic_regression-garments", *wanted]) == 0
    output = capsys.readouterr().out
    figures = json.loads(Path("figures.json").read_text())
    assert figures["accuracy"] == card["test"]["accuracy"]
    assert f"Accuracy {figures['accuracy']:.4f}" in output
    assert figures["confusion_matrix"] == card["test"]["confusion_matrix"]


WRONG_FLAGS = [
    (["train"], "Which network is to be trained.*--model NAME"),
    (["train", "--model"], "expected one argument"),
    (["frob"], "invalid choice: 'frob' .choose from .*'train'"),
    (["train", "--model", "lenett", *SMALL], "Did you mean lenet.*'lenett'"),
    (["train", "--model", "", *SMALL], "Unknown model; expected one of: .*''"),
    ([*TRAIN, "--frob", "3"], "train: unknown arguments: --frob 3; see fmkeras train"),
    ([*TRAIN, "more"], "unknown arguments: more"),
    ([*TRAIN, "--backend", "tourch"], "expected one of: torch, tensorflow, jax.*tour"),
    ([*TRAIN, "--recipe", "fast"], "Unknown recipe.*'fast'"),
    ([*TRAIN, "--recipe", "absent.json"], "Cannot read the recipe file 'absent.json'"),
    ([*TRAIN, "--data", "mnist"], "'mnist' has the size of its files; only 'garments'"),
    ([*TRAIN, "--optimizer", "adamm"], "Bad optimizer; expected one of adam"),
    ([*TRAIN, "--batch", "0"], "Bad batch_size; .* from 1 to .* Received: 0"),
    ([*TRAIN, "--batch", "-1"], "Bad batch_size"),
    ([*TRAIN, "--batch", "many"], "expected a whole number. Received: 'many'"),
    ([*TRAIN, "--epochs", "0"], "Bad epochs"),
    ([*TRAIN, "--epochs", "1.5"], "expected a whole number. Received: '1.5'"),
    ([*TRAIN, "--lr", "-0.1"], "Bad learning_rate; expected a number above 0"),
    ([*TRAIN, "--lr", "nan"], "Bad learning_rate"),
    ([*TRAIN, "--lr", "inf"], "Bad learning_rate"),
    ([*TRAIN, "--lr", "fast"], "expected a number. Received: 'fast'"),
    ([*TRAIN, "--weight-decay", "-1"], "Bad weight_decay"),
    ([*TRAIN, "--seed", "-1"], "expected a whole number of at least 0"),
    ([*TRAIN, "--data-seed", "-1"], "expected a whole number of at least 0"),
    ([*TRAIN, "--train-size", "0"], "number of garments.*Received: 0"),
    ([*TRAIN, "--train-size", "1"], "too small to split.*Received: 1"),
    ([*TRAIN, "--data-dir", "here"], "'garments' is drawn.*Received: 'here'"),
    ([*TRAIN, "--dropout", "0.5"], "no such option.*Received: dropout=0.5"),
    ([*TRAIN, "--model", "cnn", "--dropout", "1"], "Bad dropout"),
    ([*TRAIN, "--model", "mlp", "--hidden-units", "0"], "Bad hidden_units"),
    (
        [*TRAIN, "--model", "mlp", "--hidden-units", "8,x"],
        "expected a whole number. Received: 'x'",
    ),
    ([*TRAIN, "--resume", "absent"], "no run to resume.*Received: 'absent'"),
    (["train", "--model", "mlp", "--train-size", "5"], "only 'garments' takes one"),
    (["evaluate"], "required: --model"),
    ([*EVALUATE, "absent"], "There is no model file 'saved_models/absent.keras'"),
    ([*EVALUATE, "absent.keras"], "There is no model file 'absent.keras'"),
    ([*EVALUATE, "x" * 300], "File name too long"),
    (["data", "--data", "csv"], "'csv' needs its files"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    WRONG_FLAGS,
    ids=[" ".join(arguments)[-30:] for arguments, message in WRONG_FLAGS],
)
def test_a_wrong_flag_is_one_line(arguments, message, capsys):
    assert_refused(arguments, message, capsys)
    assert not Path("runs").exists()


def test_a_backend_that_is_not_installed(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert_refused(TRAIN, f"not installed; .* 'pip install {BACKEND}'", capsys)


@pytest.mark.parametrize("flag", ["--out", "--runs"])
@pytest.mark.parametrize("where", ["file", "file/models", "x" * 300])
def test_a_folder_that_cannot_be_written(flag, where, capsys):
    Path("file").write_text("in the way")
    assert_refused([*TRAIN, flag, where], "Cannot write to the folder", capsys)
    assert Path("file").read_text() == "in the way"


def test_no_data_is_one_line_with_every_way_to_get_it(capsys, monkeypatch, folder):
    monkeypatch.setattr("fmkeras.datasets.fashion_mnist.places", lambda data_dir: [])
    monkeypatch.setattr("fmkeras.datasets.fashion_mnist.ADDRESSES", ())
    arguments = ["train", "--model", "lenet"]
    ways = "four ways.*--data-dir.*FMKERAS_DATA.*data/fashion-mnist.*DATA=garments"
    assert_refused(arguments, ways, capsys)


def test_quickstart_without_data_draws_garments_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr("fmkeras.datasets.fashion_mnist.places", lambda data_dir: [])
    monkeypatch.setattr("fmkeras.datasets.fashion_mnist.ADDRESSES", ())
    monkeypatch.setattr("fmkeras.datasets.garments.draw.TRAIN_SIZE", 300)
    monkeypatch.setattr("fmkeras.datasets.garments.draw.TEST_SIZE", 100)
    assert run(["quickstart"]) == 0
    output, error = capsys.readouterr()
    assert error.count("\n") == 1 and "Fashion-MNIST was not found" in error
    assert "STAND-IN DATA" in output and "Epoch 5/5" in output
    card = json.loads(Path("runs/quickstart/lenet_relu-garments.json").read_text())
    assert card["dataset"]["name"] == "garments"
    model = "runs/quickstart/lenet_relu-garments.keras"
    assert Path(model).exists()
    again = f"Evaluate it again: make evaluate MODEL={model} DATA=garments\n"
    assert again in output


def truncate(contents, name):
    return {**contents, name: contents[name][:-100]}


def alter(contents, name):
    content = bytearray(contents[name])
    content[len(content) // 2] ^= 1
    return {**contents, name: bytes(content)}


def swap(contents, name):
    return {**contents, name: contents[name.replace("images-idx3", "labels-idx1")]}


def remove(contents, name):
    return {other: contents[other] for other in contents if other != name}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate, r"{name} is truncated \("),
        (alter, "{name} is altered"),
        (swap, "{name} holds the labels of train-labels-idx1-ubyte"),
        (remove, "a folder without train-images-idx3-ubyte"),
    ],
)
def test_data_files_that_are_not_intact(spoil, message, capsys, monkeypatch):
    table, contents = small_files()
    monkeypatch.setattr(checksums, "FILES", table)
    name = "train-images-idx3-ubyte.gz"
    write_files(Path("mine"), spoil(contents, name))
    message = message.format(name=re.escape(name))
    assert_refused(["train", "--model", "mlp", "--data-dir", "mine"], message, capsys)
    assert run(["data", "--data-dir", "mine", "--figure", "a.png"]) == 2
    reported = capsys.readouterr().out.splitlines()[-1]
    assert reported.startswith("Not intact") and name[:-3] in reported
    assert not Path("a.png").exists()


def test_intact_data_is_reported(capsys, monkeypatch):
    table, contents = small_files()
    monkeypatch.setattr(checksums, "FILES", table)
    write_files(Path("mine"), contents)
    assert run(["data", "--data-dir", "mine", "--json", "report.json"]) == 0
    assert "Intact: the four files" in capsys.readouterr().out
    assert json.loads(Path("report.json").read_text())["ok"] is True


ROW = ",".join(["3", *["7"] * 784])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW[:-2], "Line 3 of '.*a_train.csv' has 784 columns; expected 785"),
        (ROW[:-1] + "x", "Line 3 of .* wrong pixel in column 785.*Received: 'x'"),
        (ROW[:-1] + "256", "Line 3 of .* from 0 to 255.*Received: '256'"),
        ("10" + ROW[1:], "Line 3 of .* wrong label in column 1.*Received: '10'"),
    ],
)
def test_a_wrong_line_of_csv(row, message, capsys):
    Path("a_train.csv").write_text(f"{ROW}\n{ROW}\n{row}\n")
    Path("a_test.csv").write_text(f"{ROW}\n")
    arguments = ["train", "--model", "mlp", "--data", "csv", "--data-dir", "."]
    assert_refused(arguments, message, capsys)
    assert_refused(["data", *arguments[3:]], message, capsys)


def test_csv_in_order(capsys):
    Path("a_train.csv").write_text(f"{ROW}\n{ROW}\n")
    Path("a_test.csv").write_text(f"{ROW}\n")
    assert run(["data", "--data", "csv", "--data-dir", "."]) == 0
    assert "2 training and 1 test images" in capsys.readouterr().out

    arguments = ["data", "--data", "csv", "--data-dir", "."]
    assert_refused([*arguments, "--figure", "a.bmp"], "as .png or .svg", capsys)
    Path("report.json").mkdir()
    message = "Is a directory.*Received: 'report.json'"
    assert_refused([*arguments, "--json", "report.json"], message, capsys)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    pixels = keras.Input((28, 28, 1))
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(pixels))
    path = tmp_path_factory.mktemp("model") / "plain.keras"
    keras.Model(pixels, outputs).save(path)
    return path


def model_of(shape, layer):
    pixels = keras.Input(shape)
    images = keras.layers.Flatten()(layer(pixels))
    model = keras.Model(pixels, keras.layers.Dense(10)(images))
    model.save("broken.keras")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: b"", "is empty"),
        (lambda whole: whole[: len(whole) // 2], "is cut short or damaged"),
        (lambda whole: b"weights", "is no zip archive"),
        (lambda whole: whole[:3000] + b"!" + whole[3001:], "damaged"),
    ],
    ids=["empty", "truncated", "no zip", "altered"],
)
def test_a_damaged_model_file(content, message, model_file, capsys):
    Path("broken.keras").write_bytes(content(model_file.read_bytes()))
    message = f"The model file 'broken.keras' .*{message}"
    assert_refused([*EVALUATE, "broken.keras", "--json", "a.json"], message, capsys)


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((32, 32, 3), keras.layers.ReLU(), "does not take 28 x 28.*32, 32, 3"),
        ((28, 28), keras.layers.Lambda(lambda x: x * 2), "holds code.*Lambda"),
    ],
    ids=["shape", "lambda"],
)
def test_a_model_file_of_no_use(shape, layer, message, capsys):
    model_of(shape, layer)
    assert_refused([*EVALUATE, "broken.keras"], message, capsys)


def test_a_model_made_elsewhere_is_evaluated(model_file, capsys):
    assert run([*EVALUATE, model_file]) == 0
    assert "The model outputs logits" in capsys.readouterr().out


def interrupted(*arguments, at):
    """Run a process, press Ctrl-C once `at` is in a line of its output."""
    with subprocess.Popen(
        [*PROCESS, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if at in line:
                process.send_signal(signal.SIGINT)
                break
        output, error = process.communicate(timeout=60)
    return process.returncode, "".join(seen) + output, error


def files_of(folder):
    return list(Path(folder).iterdir())


def test_ctrl_c_keeps_the_last_epoch_and_resuming_goes_on_from_it(capsys):
    arguments = [*TRAIN[:-1], "200"]
    code, output, error = interrupted(*arguments, at="Epoch ")
    assert (code, error) == (130, "")
    (run_folder,) = files_of("runs")
    assert f"make train RESUME={run_folder} goes on" in output
    assert not files_of("saved_models")
    done = read_checkpoint(run_folder / "checkpoint.npz")[0]["epochs_done"]
    history = (run_folder / "history.csv").read_text().splitlines()
    assert done == len(history) - 1 >= 1
    assert len((run_folder / "per_class.csv").read_text().splitlines()) == 10 * done + 1
    assert not list(run_folder.glob(".*"))

    assert run(["train", "--resume", run_folder]) == 0
    epochs = re.findall(r"^Epoch +(\d+)/200", capsys.readouterr().out, re.M)
    assert epochs == [str(epoch) for epoch in range(done + 1, 201)]
    assert files_of("runs") == [run_folder]
    assert (run_folder / "record.json").exists()
    assert len(files_of("saved_models")) == 2


def test_a_run_goes_on_by_the_words_that_it_began_with():
    """On all images the last epoch is kept: those words named another recipe."""
    Path("mine.json").write_text('{"name": "mine", "epochs": 2}')
    words = ["train", "--recipe", "mine.json", "--data-split", "full"]
    recipe = recipe_of(build_parser().parse_args([*words, "--model", "linear"]))
    config = {"model": "linear", "options": {}, "recipe": recipe.to_dict(), "seed": 0}
    config |= {"backend": BACKEND, "dataset": {"name": "fashion-mnist"}}
    Path("begun").mkdir()
    Path("begun/config.json").write_text(json.dumps(config))
    found, _ = _settings_of_run(build_parser().parse_args(words), Path("begun"))
    assert found == recipe and found.keep == "last"


def test_training_goes_on_from_a_file_on_few_images_with_a_frozen_layer(capsys):
    words = ["train", "--model", "mlp", "--hidden-units", "8", *SMALL, "--epochs", "1"]
    assert run(words) == 0
    first = load_artifact("saved_models/mlp-garments.keras")
    words += ["--init-from", "saved_models/mlp-garments.keras", "--freeze", "dense_1"]
    assert run([*words, "--limit", "100", "--out", "more"]) == 0
    second, card = (
        load_artifact("more/mlp-garments.keras"),
        read_card("more/mlp-garments.keras"),
    )
    assert card["start"]["frozen"] == ["dense_1"]
    assert ", 100 of 300 training images" in card["dataset"]["source"]
    assert card["dataset"]["train"] + card["dataset"]["validation"] == 100
    weights = [one.get_layer("dense_1").get_weights()[0] for one in (first, second)]
    np.testing.assert_array_equal(*weights)
    weights = [one.get_layer("logits").get_weights()[0] for one in (first, second)]
    assert not np.array_equal(*weights)


def test_a_run_goes_on_with_its_own_way_to_read_pictures(capsys):
    """--resize and --skip-bad were forgotten, so that the run could not go on."""
    for number in range(24):
        path = Path(f"boots/{'ab'[number % 2]}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((40, 30), 0, np.uint8)
        image[5:30, 5 : 10 + number] = 200
        Image.fromarray(image).save(path)
    Path("boots/a/bad.png").write_text("none")
    words = ["train", "--model", "linear", "--data", "boots", "--skip-bad"]
    words += ["--resize", "predict", "--epochs", "500", "--save", "never"]
    assert interrupted(*words, at="Epoch ")[0] == 130
    assert run(["train", "--resume", "last", "--recipe", "published"]) == 2
    assert "has its own recipe" in capsys.readouterr().err
    assert run(["train", "--resume", "last"]) == 0
    # Nor is what was asked of its model forgotten.
    assert not list(Path("saved_models").glob("*"))
    assert "Epoch 500/500" in capsys.readouterr().out


def test_ctrl_c_before_the_first_epoch():
    # The line about the device comes between the imports and the training.
    code, output, error = interrupted(*TRAIN[:-1], "10000", at="Backend")
    assert code == 130
    assert error in (
        "",
        "\n",
        "\nInterrupted before the first steps were done: nothing was kept.\n",
    )
    assert not list(Path().rglob("*.keras"))


def test_an_interrupt_that_python_drops_is_sent_again(monkeypatch):
    import gc
    import time

    fired = []

    def interrupt(phase, info):
        if not fired:
            fired.append(phase)
            signal.raise_signal(signal.SIGINT)

    def work(arguments):
        gc.callbacks.append(interrupt)
        gc.collect()
        time.sleep(30)

    monkeypatch.setattr("fmkeras.__main__._run", work)
    try:
        assert main([]) == 130
    finally:
        gc.callbacks.remove(interrupt)
    assert fired


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--data-dir", "no"]])
def test_a_reader_that_goes_away(arguments):
    with subprocess.Popen(
        [*PROCESS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def commands(parser):
    """Return the words of every command of a parser, and of none."""
    [names] = [action.choices for action in parser._actions if action.nargs == "A..."]
    return [[], *([name] for name in names)]


# tune hands its words on to the tuner, whose help is the same.
COMMANDS = [("fmkeras", w) for w in commands(build_parser()) if w != ["tune"]]
COMMANDS += [("tuner", words) for words in commands(build_tuner_parser())]


@pytest.mark.parametrize(("program", "words"), COMMANDS, ids=str)
def test_help_fits_80_columns_and_explains_every_flag(
    program, words, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    start = {"fmkeras": main, "tuner": tuner_main}[program]
    try:
        code = start([*words, "--help"])
    except SystemExit as error:
        code = error.code
    assert not code
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    flags = re.findall(r"^  (-.*(?:\n {3,}.*)*)", text, re.M)
    assert flags
    for flag in flags:
        # Its explanation follows on the line or on the next.
        assert re.search(r"\S(  +|\n +)[\w(]", flag), flag


def test_no_command_prints_the_help(capsys):
    assert run([]) == 0
    text = capsys.readouterr().out
    for command in ("quickstart", "train", "evaluate", "data"):
        assert re.search(rf"^  {command} +[A-Z]", text, re.M)


def test_keras_starts_without_what_no_run_uses():
    code = (
        "import sys; from fmkeras.cli.session import import_keras; import_keras();"
        "early = {'matplotlib', 'sklearn'} & set(sys.modules);"
        "import matplotlib, sklearn; print(sorted(early))"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
