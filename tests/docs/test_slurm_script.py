"""The SLURM script of docs/scale.md, run with stand-ins for SLURM's commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/scale.md"
TASKS = 2
PYTHON = ".venv-$KERAS_BACKEND-cuda/bin/python"
FLAGS = "--model cnn --batch-size 2048"
SMALL = "--model mlp --hidden-units 8 --data garments --train-size 200 --test-size 100"
SMALL += " --batch-size 31 --epochs 2 --save always"
SCONTROL = "#!/bin/bash\necho 127.0.0.1\n"
SRUN = f"""#!/bin/bash
export SLURM_STEP_NODELIST=127.0.0.1 SLURM_STEP_NUM_NODES=1
for task in $(seq 0 {TASKS - 1}); do
  SLURM_PROCID=$task SLURM_LOCALID=$task "$@" > output-$task.txt 2>&1 &
done
status=0
for job in $(jobs -p); do wait $job || status=$?; done
exit $status
"""


def script() -> str:
    """Return the page's script, for this environment and a small training.

    Its ports are others: something else may listen at those of the page.
    """
    (text,) = re.findall(
        r"```bash\n(#!/bin/bash\n#SBATCH.*?)```", PAGE.read_text(), re.S
    )
    assert text.count(PYTHON) == text.count(FLAGS) == 1
    first = 20_000 + os.getpid() % 10_000
    return (
        text.replace(PYTHON, sys.executable)
        .replace(FLAGS, SMALL)
        .replace("29500", str(first))
    )


@pytest.mark.slow
@pytest.mark.every_backend
def test_the_script_trains_with_every_task(tmp_path):
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN), ("job", script())):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NODELIST": "node",
        "SLURM_NTASKS": str(TASKS),
        "SLURM_NTASKS_PER_NODE": str(TASKS),
    }
    job = [str(tmp_path / "job")]
    done = subprocess.run(
        job, cwd=tmp_path, env=environment, timeout=600, capture_output=True, text=True
    )
    outputs = [(tmp_path / f"output-{n}.txt").read_text() for n in range(TASKS)]
    assert done.returncode == 0, (done.stderr, *outputs)
    # The first alone prints and writes.
    assert "Epoch 2/2" in outputs[0] and "Epoch" not in outputs[1]
    (record,) = tmp_path.glob("runs/*/record.json")
    assert len(json.loads(record.read_text())["history"]["loss"]) == 2
    config = json.loads((record.parent / "config.json").read_text())
    assert config["environment"]["devices"] == TASKS
