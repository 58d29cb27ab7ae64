"""The table of fine-tuning beside training from scratch."""

import json
import statistics
from pathlib import Path

from fmkeras.records import FINETUNE
from fmkeras.report.tables.markdown import markdown_table, mean_and_spread


def finetune_table(root: Path) -> str:
    """Return a row a way: mean and spread over the seeds, and each seed's accuracy."""
    path = root / FINETUNE
    if not path.exists():
        return "No fine-tuning is recorded yet."
    record = json.loads(path.read_text(encoding="utf-8"))
    seeds = sorted({row["seed"] for row in record["rows"]})
    heads = ("Training", "Test accuracy", *(f"Seed {seed}" for seed in seeds))
    rows = []
    for way in dict.fromkeys(row["way"] for row in record["rows"]):
        by_seed = {r["seed"]: r["accuracy"] for r in record["rows"] if r["way"] == way}
        found = [by_seed[seed] for seed in seeds if seed in by_seed]
        spread = statistics.stdev(found) if len(found) > 1 else None
        mean = {"mean": statistics.mean(found), "spread": spread}
        cells = [
            f"{100 * by_seed[seed]:.2f}" if seed in by_seed else "" for seed in seeds
        ]
        rows.append((way, mean_and_spread(mean), *cells))
    table = markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))
    return (
        f"`{record['model']}` on {record['images']} training images of "
        f"{', '.join(record['classes'])}, {record['test_images']:,} test images, "
        f"{record['recipe']['epochs']} epochs; pretrained for "
        f"{record['pretrained']['epochs']} epochs on the other "
        f"{len(record['pretrained']['classes'])} classes; {record['backend']}, "
        f"{record['device']}.\n\n{table}"
    )
