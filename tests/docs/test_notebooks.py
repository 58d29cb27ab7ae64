"""The notebooks run to their end on drawn garments, and are committed with outputs."""

import importlib.util

import nbformat
import pytest
from support.doc_pages import ROOT

FOLDER = ROOT / "docs/notebooks"
NAMES = ["first-steps", "reading-a-search", "your-own-model"]
PARAMETERS = (
    'DATA, SIZES = "garments", {"train_size": 600, "test_size": 200}\nEPOCHS = 2'
)


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(book):
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    return [output for cell in code for output in cell.outputs]


def test_every_notebook_is_run_here():
    assert [path.stem for path in load("execute").notebook_paths()] == NAMES


@pytest.mark.parametrize(
    "name",
    [
        "first-steps",
        pytest.param("reading-a-search", marks=pytest.mark.slow),
        pytest.param("your-own-model", marks=pytest.mark.slow),
    ],
)
def test_a_notebook_runs_on_garments(name):
    book = load("execute").execute(FOLDER / f"{name}.ipynb", PARAMETERS)
    shown = outputs(book)
    assert any("image/png" in output.get("data", {}) for output in shown)
    tables = [
        output["data"].get("text/html", "") for output in shown if "data" in output
    ]
    assert any("<table" in table for table in tables)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_committed_with_its_outputs_from_the_real_data(name):
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    # All of it was run, in order, in one go.
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert code[0].metadata.tags == ["parameters"]
    assert code[0].source.startswith('DATA, SIZES = "fashion-mnist", {}\n')
    assert outputs(book)
    for output in outputs(book):
        assert output.output_type != "error" and output.get("name") != "stderr"
        # Nothing of the machine that it was run on.
        assert str(ROOT) not in str(output) and "/tmp/" not in str(output)
