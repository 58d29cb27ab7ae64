"""Every command imports keras in one way: heeding signals, whatever keras.json says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.other_commands import COMMANDS, MORE_COMMANDS, words_of

ROOT = Path(__file__).parents[2]
# Ends the process at the first import of keras: 0 where import_keras does it.
WATCHED = """
import os, runpy, sys, traceback

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "keras":
            names = [frame.name for frame in traceback.extract_stack()]
            print("KERAS", "import_keras" in names, names[-6:], flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
program, sys.argv = sys.argv[1], sys.argv[1:]
runpy.run_module(program, run_name="__main__", alter_sys=True)
"""
ALL = COMMANDS | MORE_COMMANDS
# They leave it to the processes that they start.
PARENTS = ("repeat", "reproduce", "zoo", "benchmark")


# As the others, for commands that take long to get there.
LONG = ("repeat", "reproduce", "finetune", "quickstart", "publish", "report")
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in ALL
]


@pytest.mark.parametrize("name", NAMES)
def test_keras_is_imported_by_import_keras(name, tmp_path):
    program, text = ALL[name]
    model = ROOT / "saved_models/linear.keras"
    words = words_of(text, "tensorflow", tmp_path, model, model)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, program, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("KERAS")]
    if name in PARENTS and not found:
        assert done.returncode == 0, done.stderr[-500:]
        return
    assert found, done.stderr[-500:]
    assert found[0].startswith("KERAS True"), found
