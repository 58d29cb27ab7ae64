"""The shipped measurements behind `auto` are those of the records."""

import json
from pathlib import Path

from fmkeras.records import RECORDS
from fmkeras.training.auto_figures import (
    collect_figures,
    load_figures,
    update_figures,
)

ROOT = Path(__file__).parents[2]


def test_the_shipped_file_is_fresh():
    assert load_figures() == collect_figures(ROOT / RECORDS)


def test_a_stale_file_is_made_anew(tmp_path):
    rate = {"median": 5.0, "rates": [5.0]}
    entry = {
        "train": {"ours-torch": rate, "pytorch-tensors": rate},
        "first_step": {"ours-torch": 1.5, "pytorch-tensors": 1.0},
    }
    models = {"mlp": entry, "vgg11": {"left_out": "large"}}
    record = {"machine": {"cores": 2}, "models": models}
    (tmp_path / "benchmark-cpu.json").write_text(json.dumps(record))
    study = tmp_path / "default"
    study.mkdir()
    run = {
        "model": "mlp",
        "recipe": {"name": "default", "epochs": 20},
        "backend": "jax",
        "precision": "float32",
        "seed": 0,
        "dataset": {"name": "fashion-mnist"},
        "device": "CPU",
        "commit": None,
        "test": {"accuracy": 0.8},
        "validation": {"accuracy": 0.9},
    }
    (study / "mlp-jax-seed0.json").write_text(json.dumps(run))
    # Trained on all images.
    del run["validation"]
    (study / "mlp-jax-seed1.json").write_text(json.dumps(run | {"seed": 1}))
    path = tmp_path / "figures.json"
    assert update_figures(tmp_path, path, write=False) and not path.exists()
    assert update_figures(tmp_path, path)
    assert not update_figures(tmp_path, path)
    assert json.loads(path.read_text()) == {
        "speed": {
            "cpu": {
                "machine": {"cores": 2},
                "models": {
                    "mlp": {
                        "train": {"ours-torch": 5.0},
                        "first_step": {"ours-torch": 1.5},
                    }
                },
            }
        },
        "accuracy": {"mlp": {"float32": [0.9]}},
    }
