"""Seven drawn characters in KMNIST's form: four gzipped IDX files and classes.txt."""

import gzip
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from support.data_files import idx_bytes

NAMES = ("ki", "su", "tsu", "na", "ha", "ma", "ya")
# Strokes of each, on a square from 0 to 1.
STROKES = (
    [[(0.2, 0.3), (0.8, 0.3)], [(0.2, 0.5), (0.8, 0.5)], [(0.5, 0.1), (0.6, 0.9)]],
    [[(0.1, 0.3), (0.9, 0.3)], [(0.5, 0.1), (0.5, 0.6), (0.3, 0.6), (0.6, 0.95)]],
    [[(0.1, 0.4), (0.6, 0.3), (0.9, 0.5), (0.7, 0.8), (0.4, 0.85)]],
    [[(0.1, 0.3), (0.5, 0.3)], [(0.3, 0.1), (0.2, 0.6)], [(0.7, 0.3), (0.7, 0.9)]],
    [[(0.2, 0.1), (0.2, 0.9)], [(0.4, 0.3), (0.9, 0.3)], [(0.7, 0.1), (0.7, 0.9)]],
    [[(0.2, 0.25), (0.8, 0.25)], [(0.2, 0.45), (0.8, 0.45)], [(0.5, 0.1), (0.5, 0.9)]]
    + [[(0.5, 0.9), (0.3, 0.8), (0.6, 0.7)]],
    [[(0.1, 0.5), (0.7, 0.2), (0.9, 0.4), (0.7, 0.55)], [(0.3, 0.1), (0.5, 0.9)]],
)


def draw_character(label: int, seed: int, side: int = 28) -> np.ndarray:
    """Return one character, light on dark, uint8 (side, side); no two are alike."""
    generator = np.random.default_rng((label, seed))
    scale = 4 * side
    turn = generator.normal(0, 0.12)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    size, shift = generator.uniform(0.6, 0.85), generator.uniform(-0.06, 0.06, 2)
    picture = Image.new("L", (scale, scale))
    pen = ImageDraw.Draw(picture)
    width = int(scale * generator.uniform(0.06, 0.1))
    for stroke in STROKES[label]:
        points = np.array(stroke) - 0.5 + generator.normal(0, 0.025, (len(stroke), 2))
        points = (size * points @ matrix.T + 0.5 + shift) * scale
        pen.line([tuple(point) for point in points], 255, width, "curve")
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def write_characters(folder: Path, train: int, test: int) -> Path:
    """Write `train` and `test` characters a class as KMNIST's files are named."""
    folder.mkdir(parents=True)
    for part, count, first in (("train", train, 0), ("t10k", test, train)):
        labels = np.tile(np.arange(len(NAMES), dtype=np.uint8), count)
        images = [draw_character(y, first + n // 7) for n, y in enumerate(labels)]
        for kind, number, content in (
            ("images", 3, np.stack(images)),
            ("labels", 1, labels),
        ):
            path = folder / f"{part}-{kind}-idx{number}-ubyte.gz"
            path.write_bytes(gzip.compress(idx_bytes(content)))
    (folder / "classes.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    return folder


def write_photos(folder: Path) -> Path:
    """Write a large dark-on-light picture of each class, named after it."""
    folder.mkdir(parents=True)
    for label, name in enumerate(NAMES):
        pixels = 255 - draw_character(label, 1_000_000, 160)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder
