"""Data flows one way: a file imports only from files above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Of fmkeras, package by package.
ORDER = (
    "errors",
    "provenance",
    "text",
    "process",
    "files",
    "labels",
    "backends",
    "seeds",
    "records",
    "keras_internals",
    "datasets",
    "models",
    "optimizers",
    "recipes",
    "evaluation",
    "engines",
    "artifacts",
    "export",
    "training",
    "analysis",
    "prediction",
    "api",
    "experiments",
    "benchmark",
    "report",
    "cli",
    "__main__",
)
# Of the tuner, which stands on all of fmkeras.
TUNER_ORDER = (
    "spaces",
    "settings",
    "trials",
    "oracles",
    "distributed",
    "search",
    "results",
    "run",
    "export_cli",
    "cli",
    "__main__",
)
# They run alone, in processes of the backend whose files they write and open.
RUNTIMES = {"fmkeras/export/convert.py", "fmkeras/export/runtimes.py"}
BACKENDS = {"torch", "tensorflow", "jax"}
FILES = sorted(ROOT.glob("fmkeras/**/*.py")) + sorted(ROOT.glob("tuner/**/*.py"))


def imports(path):
    """Yield (line, module) of every import, `from package import module` resolved."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module in ("fmkeras", "tuner"):
                for alias in node.names:
                    yield node.lineno, f"{node.module}.{alias.name}"
            else:
                yield node.lineno, node.module


def place(module, order):
    return order.index(module.split(".")[1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_above(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    for line, module in imports(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {module}"
        if parts[0] == "fmkeras":
            assert not module.startswith("tuner"), where
            if len(parts) > 1 and module.startswith("fmkeras.") and parts[1] in ORDER:
                assert place(module, ORDER) <= ORDER.index(parts[1]), where
        elif module.startswith("tuner."):
            here = TUNER_ORDER.index(parts[1])
            assert place(module, TUNER_ORDER) <= here, where
        if module.split(".")[0] in BACKENDS:
            own = str(path.relative_to(ROOT)) in RUNTIMES
            assert own or parts[1] in ("engines", "benchmark"), where


def test_every_module_has_its_place():
    for path in (ROOT / "fmkeras").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert path.stem in (*ORDER, "__init__"), path
    for path in (ROOT / "tuner").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert path.stem in (*TUNER_ORDER, "__init__"), path


def test_the_command_line_starts_without_keras():
    code = (
        "import sys, fmkeras.__main__, fmkeras.datasets, fmkeras.evaluation.metrics\n"
        "import tuner.__main__\n"
        "assert not {'keras', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
