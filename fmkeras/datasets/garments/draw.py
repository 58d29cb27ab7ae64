"""A stand-in for Fashion-MNIST that the project draws itself, with numpy alone.

Ten kinds of garment in the order of `CLASS_NAMES`, 28x28 grey pixels. It is what
tests and a machine without the data use. It follows Fashion-MNIST in shape, in
kind and roughly in difficulty; figures on it say nothing about the real images.
"""

import operator
from collections.abc import Sequence

import numpy as np

from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.datasets.garments import silhouettes
from fmkeras.datasets.garments.shapes import cover
from fmkeras.errors import UserError
from fmkeras.labels import IMAGE_SHAPE, NUM_CLASSES

TRAIN_SIZE = 12_000
TEST_SIZE = 2_000

# In the order of CLASS_NAMES.
_CUTS = (
    silhouettes.t_shirt,
    silhouettes.trouser,
    silhouettes.pullover,
    silhouettes.dress,
    silhouettes.coat,
    silhouettes.sandal,
    silhouettes.shirt,
    silhouettes.sneaker,
    silhouettes.bag,
    silhouettes.ankle_boot,
)
# Images drawn at once: few enough that their arrays stay in the processor's cache.
_BATCH = 100


def load_garments(
    seed: int = 0, train_size: int | None = None, test_size: int | None = None
) -> Dataset:
    """Draw a data set: 12,000 training and 2,000 test images unless told otherwise.

    Training and test images come from two seeds derived from `seed`, so they share
    no garment. Raises `UserError` for a size below 1 or a negative seed.
    """
    if seed < 0:
        raise UserError(f"The seed must be 0 or more; give another. Received: {seed}")
    train_seed, test_seed = np.random.SeedSequence(seed).generate_state(2).tolist()
    x_train, y_train = draw_garments(
        TRAIN_SIZE if train_size is None else train_size, train_seed
    )
    x_test, y_test = draw_garments(
        TEST_SIZE if test_size is None else test_size, test_seed
    )
    return Dataset(
        name="garments",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        source=f"drawn by fmkeras from seed {seed}",
        checksum=content_checksum(x_train, y_train, x_test, y_test),
    )


def draw_garments(
    count: int, seed: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` garments: uint8 images (count, 28, 28) and int64 labels (count,).

    The classes are as equal in number as `count` allows and come in random order.
    The same count and seed give the same pixels. Raises `UserError` for a count
    that is no whole number above 0.
    """
    try:
        valid = operator.index(count) > 0
    except TypeError:
        valid = False
    if not valid:
        raise UserError(
            "The number of garments to draw must be a whole number above 0; "
            f"give another. Received: {count!r}"
        )
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(count) % NUM_CLASSES)
    images = np.empty((count, *IMAGE_SHAPE[:2]), np.uint8)
    for label in range(NUM_CLASSES):
        members = np.flatnonzero(labels == label)
        for start in range(0, len(members), _BATCH):
            some = members[start : start + _BATCH]
            images[some] = _draw_batch(label, len(some), generator)
    return images, labels.astype(np.int64)


def _draw_batch(label: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `count` garments of one class, uint8 (count, 28, 28)."""

    def draw(low: float, high: float) -> np.ndarray:
        return generator.uniform(low, high, (count, 1, 1))

    def chance(probability: float) -> np.ndarray:
        return generator.random((count, 1, 1)) < probability

    x, y = _placed_grid(draw, chance)
    cut = _CUTS[label](x, y, draw, chance)
    cloth = draw(70, 230) * cut.shade * _texture(x, y, draw, chance, generator)
    noise = generator.normal(0, 1, x.shape) * draw(3, 20)
    return np.clip((cloth + noise) * cover(cut.inside), 0, 255).round().astype(np.uint8)


def _placed_grid(
    draw: silhouettes.Draw, chance: silhouettes.Chance
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels' centres as points of garments shifted, sized and slanted.

    Only sums and products, no sines: these round alike on every processor.
    """
    rows, columns = IMAGE_SHAPE[:2]
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) * 2 / rows - 1,
        (np.arange(columns) + 0.5) * 2 / columns - 1,
        indexing="ij",
    )
    # Either half may be the left one: shoes point both ways.
    x = np.where(chance(0.5), x, -x)
    x, y = x + draw(-0.18, 0.18), y + draw(-0.18, 0.18)
    slant = draw(-0.12, 0.12)
    x, y = x + slant * y, y - slant * x
    # Some lean: the halves of real garments are never quite equal.
    x = x + draw(-0.12, 0.12) * y
    size = draw(0.95, 1.4)
    return x * size * draw(0.9, 1.1), y * size


def _texture(
    x: np.ndarray,
    y: np.ndarray,
    draw: silhouettes.Draw,
    chance: silhouettes.Chance,
    generator: np.random.Generator,
) -> np.ndarray:
    """Stripes, checks or plain cloth, with soft folds; a factor near 1."""
    period = draw(0.16, 0.5)
    across = np.abs(((y + draw(0, 1)) / period) % 1 - 0.5) * 4 - 1
    along = np.abs(((x + draw(0, 1)) / period) % 1 - 0.5) * 4 - 1
    kind = draw(0, 1)
    pattern = (
        np.where(kind < 0.18, across, 0.0)
        + np.where((kind >= 0.18) & (kind < 0.30), along, 0.0)
        + np.where((kind >= 0.30) & (kind < 0.38), across * along, 0.0)
    )
    corners = generator.normal(0, 1, (len(x), 2, 2, 1, 1))
    u, v = (np.clip(x, -1, 1) + 1) / 2, (np.clip(y, -1, 1) + 1) / 2
    folds = (
        corners[:, 0, 0] * (1 - u) * (1 - v)
        + corners[:, 0, 1] * u * (1 - v)
        + corners[:, 1, 0] * (1 - u) * v
        + corners[:, 1, 1] * u * v
    )
    return (1 + draw(0.1, 0.45) * pattern) * (1 + 0.15 * folds)
