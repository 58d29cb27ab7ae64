"""A script as people write it: one epoch of lenet in plain PyTorch, from files to file.

`python -m fmkeras.benchmark.speed.pytorch_script DATA_DIR OUT` does what
`fmkeras train --model lenet --epochs 1` does: reads the images, sets 5,000 aside,
trains on the others, translated and flipped, measures those set aside and the test
images, saves the weights.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from fmkeras.benchmark.pytorch.small import LeNet

BATCH, RATE, DECAY, HELD_OUT = 128, 8e-3, 1e-2, 5_000
MEAN, DEVIATION = 0.2860, 0.3530


def unpack(path: Path, header: int) -> np.ndarray:
    packed = path.with_name(f"{path.name}.gz")
    content = gzip.open(packed).read() if packed.is_file() else path.read_bytes()
    return np.frombuffer(content, np.uint8, offset=header)


def read(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images, float (n, 1, 28, 28), standardised, and labels (n,)."""
    images = unpack(folder / f"{part}-images-idx3-ubyte", header=16)
    images = images.reshape(-1, 1, 28, 28)
    labels = unpack(folder / f"{part}-labels-idx1-ubyte", header=8).astype(np.int64)
    images = (torch.from_numpy(images.astype(np.float32)) / 255 - MEAN) / DEVIATION
    return images, torch.from_numpy(labels)


def change(images: torch.Tensor) -> torch.Tensor:
    """Mirror half of the images; move each by up to a pixel, as a batch."""
    flipped = torch.rand(len(images), 1, 1, 1) < 0.5
    images = torch.where(flipped, images.flip(3), images)
    padded = F.pad(images, (1, 1, 1, 1))
    top, left = torch.randint(0, 3, (2, len(images), 1, 1))
    rows = torch.arange(28)[None, :, None] + top
    columns = torch.arange(28)[None, None, :] + left
    numbers = torch.arange(len(images))[:, None, None]
    return padded[numbers, 0, rows, columns].unsqueeze(1)


def measure(model, images, labels) -> float:
    model.eval()
    with torch.no_grad():
        parts = images.split(1_000), labels.split(1_000)
        hits = sum(
            (model(x).argmax(1) == y).sum().item() for x, y in zip(*parts, strict=True)
        )
    return hits / len(labels)


def main(data_dir: str, out: str) -> None:
    folder = Path(data_dir)
    images, labels = read(folder, "train")
    test_images, test_labels = read(folder, "t10k")
    order = torch.randperm(len(images))
    held, kept = order[:HELD_OUT], order[HELD_OUT:]
    model = LeNet(10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    for start in range(0, len(kept), BATCH):
        numbers = kept[start : start + BATCH]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(change(images[numbers])), labels[numbers])
        loss.backward()
        optimizer.step()
    print("validation", measure(model, images[held], labels[held]))
    print("test", measure(model, test_images, test_labels))
    torch.save(model.state_dict(), out)


if __name__ == "__main__":
    main(*sys.argv[1:])
