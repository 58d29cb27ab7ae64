"""The Makefile's help names all there is, and its targets pass variables on."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Makefile").read_text()
TARGETS = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", TEXT, re.M)[1].split()
VARIABLES = {
    *re.findall(r"call (?:flag|path|on),([A-Z_]+)", TEXT),
    *re.findall(r"^([A-Z_]+) \?=", TEXT, re.M),
    *re.findall(r"0 no,\$\(([A-Z_]+)\)", TEXT),
    "ARGS",
}

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def make(*arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def commands_of(*arguments):
    """What make would run, the making of an environment left out."""
    answer = make("--dry-run", "--old-file=.venv/.ready", *arguments)
    assert answer.returncode == 0, answer.stderr
    return " ".join(answer.stdout.replace("\\\n", " ").split())


@pytest.fixture(scope="module")
def help_text():
    answer = make()
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


@pytest.mark.parametrize("target", [word for word in TARGETS if word != "\\"])
def test_help_names_every_target(target, help_text):
    assert re.search(rf"^  {target} +[a-z]", help_text, re.M)


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_help_names_every_variable_with_an_example(variable, help_text):
    assert re.search(rf"^  {variable} +\w.* {variable}=\S", help_text, re.M)


def test_help_is_aligned_and_fits_80_columns(help_text):
    assert max(map(len, help_text.splitlines())) <= 80
    lines = re.findall(r"^  [a-zA-Z_-]+ .*", help_text, re.M)
    assert len(lines) >= len(VARIABLES)
    assert {re.match(r"  \S+ +", line).end() for line in lines} == {16}
    examples = [match.start() for match in re.finditer(r" [A-Z_]+=", help_text)]
    columns = [at - help_text.rfind("\n", 0, at) for at in examples]
    assert columns.count(57) == len(VARIABLES)


def test_variables_become_flags():
    command = commands_of(
        "train",
        "MODEL=cnn",
        "BATCH=64",
        "DATA_DIR=my data",
        "OUT=it's",
        "ARGS=--l2 0.1",
    )
    assert "python -m fmkeras train --model 'cnn' --data-dir 'my data'" in command
    assert "--batch-size '64' --out 'it'\\''s' --l2 0.1" in command
    assert "--epochs" not in command
    assert "--data-dir '/" in commands_of("data", "DATA_DIR=~/fashion")
    # The folder that zoo writes is the one that zoo-check reads.
    assert "--out '/tmp/m'" in commands_of("zoo", "OUT=/tmp/m")
    assert "--models-dir '/tmp/m'" in commands_of("zoo-check", "OUT=/tmp/m")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("two  spaces", "two  spaces"),
        ("~/two  spaces", "HOME/two  spaces"),
        ("~/one  ~/two", "HOME/one  HOME/two"),
        ("it's  a~/b, c", "it's  a~/b, c"),
        ("/a/~/b", "/a/~/b"),
    ],
)
def test_a_path_is_passed_on_to_the_last_space(given, expected):
    answer = make("--dry-run", "--old-file=.venv/.ready", "data", f"DATA_DIR={given}")
    words = shlex.split(answer.stdout)
    found = words[words.index("--data-dir") + 1]
    assert found == expected.replace("HOME", str(Path.home()))


@pytest.mark.parametrize(
    "target", ["evaluate", "compare", "predict", "report", "export", "try"]
)
def test_whatever_opens_a_model_takes_its_range_of_pixels(target):
    command = commands_of(target, "PIXELS=-1..1", "--old-file=.venv/.ready-to-export")
    assert f"fmkeras {target}" in command and "--pixels '-1..1'" in command


def test_a_switch_may_be_set_to_no():
    assert "--quick" in commands_of("benchmark", "QUICK=1")
    assert "--quick" not in commands_of("benchmark", "QUICK=0", "GROWTH=no")
    assert "--growth" not in commands_of("benchmark", "QUICK=0", "GROWTH=no")


def test_hashes_are_for_the_list_that_has_them():
    lines = make("--just-print", "--always-make", "lint", "HASHES=1").stdout
    for line in lines.splitlines():
        assert "--require-hashes" not in line or "dev.txt" not in line
    assert "--require-hashes -r requirements/hashes.txt" in lines
    refused = make("--dry-run", "venv", "ACCELERATOR=cuda", "HASHES=1")
    assert refused.returncode == 2 and "HASHES is for ACCELERATOR=cpu" in refused.stderr


@pytest.mark.parametrize(
    "target", ["train", "repeat", "tune", "benchmark", "show", "test", "report"]
)
def test_a_variable_is_never_a_command_of_the_shell(target, tmp_path):
    ran = tmp_path / "ran"
    trick = f"1; touch {ran}; $$(touch {ran}) `touch {ran}` '; touch {ran}"
    given = [f"{name}=1" for name in VARIABLES - {"ACCELERATOR"}]
    refused = make("--dry-run", target, *given).stderr
    taken = re.search(r"expected one of: ([A-Z_ ]+)\.", refused)[1].split()
    names = {*taken} - {"ARGS", "ACCELERATOR", "BACKEND", "HASHES"}
    answer = make(
        "--just-print",
        "--old-file=.venv/.ready",
        "--old-file=.venv/.ready-to-test",
        "FMKERAS=echo",
        "TUNE=echo",
        *(f"{name}={trick}" for name in names),
        target,
    )
    assert answer.returncode == 0 and "1;" in answer.stdout
    commands = answer.stdout.replace(".venv/bin/python", "echo")
    done = subprocess.run(["sh", "-c", commands], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert not ran.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ACCELERATOR=rocm"], "Unknown ACCELERATOR; expected cpu or cuda"),
        (["ACCELERATOR=cuda", "BACKEND=x"], "Unknown BACKEND; expected torch, "),
    ],
)
def test_mistakes_end_in_code_2(arguments, message):
    answer = make(*arguments)
    assert answer.returncode == 2
    assert message in answer.stderr


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("EPOCH=3", "did you mean EPOCHS?"),
        ("model=lenet", "did you mean MODEL?"),
        ("BATCHES=4", "did you mean BATCH?"),
        ("QQQQ=1", "'make help'"),
    ],
)
def test_an_unknown_variable_is_named(given, hint):
    answer = make("--dry-run", "train", given)
    assert answer.returncode == 2
    assert hint in answer.stderr and given.partition("=")[0] in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_what_pip_and_make_take_is_no_mistake():
    given = "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
    assert make("--dry-run", "venv", given).returncode == 0


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        (("repeat", "MODEL=mlp", "NAME=k", "DATA=kmnist"), "DATA"),
        (("repeat", "MODEL=mlp", "NAME=k", "BACKEND=jax"), "BACKEND"),
        (("zoo", "LR=0.1"), "LR"),
        (("test", "FUZZ=3"), "FUZZ"),
        (("lint", "ARGS=x"), "ARGS"),
    ],
)
def test_a_variable_of_no_use_is_refused(words, unused):
    answer = make("--dry-run", *words)
    assert answer.returncode == 2
    assert f"Of no use to {words[0]}; expected one of: " in answer.stderr
    assert answer.stderr.endswith(f"Received: {unused}.  Stop.\n")


@pytest.mark.parametrize(
    "words",
    [
        # Named in a variable of flags, in one within another, and in a condition.
        ("evaluate", "MODEL=lenet", "DATA_DIR=x"),
        ("tune", "MODEL=mlp", "DATA_DIR=x"),
        ("benchmark", "QUICK=1"),
        ("train", "MODEL=mlp", "BACKEND=jax"),
    ],
)
def test_a_variable_may_be_named_anywhere_in_a_target_s_lines(words):
    assert commands_of(*words)
