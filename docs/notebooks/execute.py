"""Execute the notebooks of this folder, and keep their outputs in them.

`make notebooks` runs `python docs/notebooks/execute.py [NAME ...]`. Each notebook runs
in an empty folder of its own.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Seconds that a cell may take.
TIMEOUT = 600


def notebook_paths() -> list[Path]:
    """Return the notebooks of this folder, sorted by name."""
    return sorted(HERE.glob("*.ipynb"))


def execute(path: Path, parameters: str | None = None) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of its cells.

    `parameters` replaces the source of the cell tagged 'parameters'. A cell that fails
    raises `nbclient.exceptions.CellExecutionError`.
    """
    book = nbformat.read(path, as_version=4)
    if parameters is not None:
        (cell,) = (c for c in book.cells if "parameters" in c.metadata.get("tags", ()))
        cell.source = parameters
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
        ),
        "FMKERAS_DATA": _data_dir(),
    }
    # A backend of the caller's would keep the figures out of the notebook.
    environment.pop("MPLBACKEND", None)
    with tempfile.TemporaryDirectory(prefix="fmkeras-") as folder:
        client = NotebookClient(
            book,
            timeout=TIMEOUT,
            kernel_name="python3",
            config=Config({"KernelManager": _local_sockets(folder)}),
            resources={"metadata": {"path": folder}},
        )
        client.execute(env=environment, cwd=folder)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # Progress bars say nothing on a page.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return book


def _local_sockets(folder: str) -> dict:
    # Files, not ports of the machine, which others on it could listen to. Without the
    # connection file Jupyter makes them relative to two different working folders.
    return {"transport": "ipc", "connection_file": str(Path(folder, "kernel.json"))}


def _data_dir() -> str:
    from fmkeras.datasets.fashion_mnist import find

    found = find()
    return "" if found is None else str(Path(found).resolve())


def main(names: list[str]) -> None:
    for path in notebook_paths():
        if not names or path.stem in names:
            print(path.name, flush=True)
            book = execute(path)
            with path.open("w", encoding="utf-8") as file:
                nbformat.write(book, file)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
