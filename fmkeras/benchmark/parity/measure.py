"""How far a network is from its PyTorch twin, in the backend that runs.

`python -m fmkeras.benchmark.parity.measure NAME ...` prints one line of JSON a network;
`fmkeras.benchmark.parity.run` runs it once for each backend.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass

import keras
import numpy as np
import torch
from torch.nn import functional as F

from fmkeras.benchmark.parity.run import TOLERANCES, adam_agrees
from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.benchmark.pytorch.weights import entries, export_to_torch
from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.engines.gradients import gradient_function
from fmkeras.models import build_model, model_info
from fmkeras.optimizers import TorchAdam

MOST_DRAWS = 12
_ROUNDINGS = 3
# Fewer: by chance the losses of Keras's Adam, too, are near in one draw of ten.
_MOST_ADAM_DRAWS = 4
# The share of the first loss that the first step takes off, to first order: the
# learning rate follows, so that no network leaps to where rounding grows.
FIRST_STEP = 0.02
# Where the weights other than kernels are drawn from.
_RANGES = {
    "bias": (-0.2, 0.2),
    "gamma": (0.5, 1.5),
    "beta": (-0.5, 0.5),
    "moving_mean": (-0.5, 0.5),
    "moving_variance": (0.5, 1.5),
}
# The same for gradients: nearly all relus get inputs clear of zero. At the corner
# float32's rounding decides, and one such case in a small map moves the gradient
# of a whole network by a hundredth, whichever library computes it.
_CLEAR_RANGES = _RANGES | {"bias": (0.1, 0.5), "gamma": (0.4, 0.8), "beta": (1.2, 2.4)}
# Size of a batch and number of steps, by the pixels that the network sees.
EXTENT = {28: (8, 20), 64: (4, 20), 96: (2, 20), 224: (2, 5)}
ADAM_RATE = 1e-3  # the published recipes have 1e-3 and 1e-4


@dataclass(frozen=True)
class Parity:
    """What was measured of one network in one backend, in float32.

    Attributes:
        inference, training: largest difference of a logit, in inference and in
            training mode without dropout, over the largest spread of a class's
            logits among the images of the batch.
        gradients: largest distance of a weight's gradient, over that gradient's
            length; over the whole gradient's where it is shorter than a
            ten-thousandth of that, as a bias before a normalisation, whose
            gradient is zero but for rounding. The least of `gradient_draws`.
        gradient_draws: the same for each draw of weights, up to the first within
            the bar. Where a relu's corner falls within float32's rounding, the two
            sides take different ways; that comes with one draw and goes with the
            next, while a fault stays in all of them.
        losses: largest relative difference of the losses of `steps` SGD steps.
        adam_losses: the same for `TorchAdam` here and `torch.optim.Adam` there.
        adam_rounding: the same for `torch.optim.Adam` and itself, where each weight
            begins one rounding further up or down; the largest of three. Adam's first
            steps are as long for a gradient that is rounding alone as for any other,
            and deep networks with batch normalisation pass that on many times larger.
        adam_draws: the Adam losses for each draw of weights, up to the first that
            agrees: the largest of a window, too, may change with rounding.
        parameters, expected_parameters: trainable weights, here and as published.
    """

    name: str
    backend: str
    parameters: int
    expected_parameters: int
    inference: float
    training: float
    gradients: float
    losses: float
    adam_losses: float
    adam_rounding: float
    gradient_draws: list[float]
    adam_draws: list[float]
    batch: int
    steps: int
    learning_rate: float
    first_loss: float
    last_loss: float
    seconds: float


def measure_parity(name: str, seed: int = 0) -> Parity:
    """Compare the published network `name` with its twin."""
    info = model_info(name)
    options = {"dropout": 0.0} if "dropout" in info.options else {}
    model, twin = build_model(name, **options), build_twin(name, **options)
    batch, steps = EXTENT[info.input_size]
    return compare(model, twin, info.parameters, batch=batch, steps=steps, seed=seed)


def compare(model, twin, expected_parameters, *, batch, steps, seed=0) -> Parity:
    """Give both the same weights and batches, and measure how they differ.

    Weights are drawn so that signals keep their size through all layers and every
    bias and moving average takes part; gradients and losses are taken with others,
    which keep clear of the corners of relus. The images are drawn garments.
    """
    begin = time.perf_counter()
    images, labels = draw_garments(batch * steps, seed)
    images = images[..., None]
    step = gradient_function(model)

    batches = list(zip(np.split(images, steps), np.split(labels, steps), strict=True))
    first, first_labels = batches[0]
    _draw_both(model, twin, _RANGES, seed)
    twin.eval()
    with torch.no_grad():
        twin_logits = twin(_to_torch(first)).numpy()
    inference = _difference(model.predict_on_batch(first), twin_logits)
    twin.train()
    training = _difference(
        step(first, first_labels).logits, _backward(twin, first, first_labels)[1]
    )

    draws: list[float] = []
    while len(draws) < MOST_DRAWS and min(draws, default=1) > TOLERANCES["gradients"]:
        _draw_both(model, twin, _CLEAR_RANGES, seed + len(draws))
        # Other images each time: of one pair all draws may lie at a corner.
        chosen = batches[len(draws) % steps]
        loss, _ = _backward(twin, *chosen)
        gradients = step(*chosen).gradients
        draws.append(_gradient_difference(model, gradients, twin))
    square = sum(float(p.grad.double().square().sum()) for p in twin.parameters())
    learning_rate = FIRST_STEP * loss / square
    # Again the last draw: weights and moving averages have moved.
    _draw_both(model, twin, _CLEAR_RANGES, seed + len(draws) - 1)
    both = _sgd(model, twin, learning_rate)
    here, there = _descend(step, twin, batches, *both)
    adam: list[tuple[float, float]] = []
    while len(adam) < _MOST_ADAM_DRAWS and not any(adam_agrees(*pair) for pair in adam):
        draw = seed + len(draws) - 1 + len(adam)
        adam.append(_compare_adam(model, step, twin, batches, draw))
    return Parity(
        name=model.name,
        backend=keras.backend.backend(),
        parameters=sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        expected_parameters=expected_parameters,
        inference=inference,
        training=training,
        gradients=min(draws),
        gradient_draws=draws,
        losses=_path_difference(here, there),
        adam_losses=adam[-1][0],
        adam_rounding=adam[-1][1],
        adam_draws=[losses for losses, _ in adam],
        batch=batch,
        steps=steps,
        learning_rate=learning_rate,
        first_loss=float(there[0]),
        last_loss=float(there[-1]),
        seconds=round(time.perf_counter() - begin, 1),
    )


def _draw_both(model, twin, ranges, seed) -> None:
    """Draw every weight, so that none is zero, and hand them to the twin."""
    generator = np.random.default_rng(seed)
    for entry in entries(model):
        shape = tuple(entry.variable.shape)
        kind = entry.variable.name
        if kind == "kernel":
            values = generator.standard_normal(shape, np.float32)
            values *= np.sqrt(np.float32(2) / np.prod(shape[:-1], dtype=np.float32))
        else:
            values = generator.uniform(*ranges[kind], shape).astype(np.float32)
        entry.variable.assign(values)
    twin.load_state_dict(export_to_torch(model))


def _sgd(model, twin, learning_rate):
    def update(gradients):
        for variable, gradient in zip(
            model.trainable_variables, gradients, strict=True
        ):
            variable.assign_sub(learning_rate * gradient)

    return update, torch.optim.SGD(twin.parameters(), lr=learning_rate)


def _adam(model, twin):
    optimizer = TorchAdam(ADAM_RATE)
    optimizer.build(model.trainable_variables)

    def update(gradients):
        gradients = [keras.ops.convert_to_tensor(g) for g in gradients]
        optimizer.apply(gradients, model.trainable_variables)

    return update, torch.optim.Adam(twin.parameters(), lr=ADAM_RATE)


def _compare_adam(model, step, twin, batches, draw) -> tuple[float, float]:
    """Return `adam_losses` and `adam_rounding` of a draw of weights."""
    _draw_both(model, twin, _CLEAR_RANGES, draw)
    here, there = _descend(step, twin, batches, *_adam(model, twin))
    nearby = (_adam_nearby(model, twin, batches, draw, i) for i in range(_ROUNDINGS))
    rounding = max(_path_difference(losses, there) for losses in nearby)
    return _path_difference(here, there), rounding


def _adam_nearby(model, twin, batches, draw, seed):
    """Return the losses of the twin alone, from weights one rounding away."""
    _draw_both(model, twin, _CLEAR_RANGES, draw)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in twin.parameters():
            sign = torch.randint(0, 2, weight.shape, generator=generator) * 2 - 1
            weight.mul_(1 + sign * torch.finfo(weight.dtype).eps)
    optimizer = torch.optim.Adam(twin.parameters(), lr=ADAM_RATE)
    losses = []
    for x, y in batches:
        losses.append(_backward(twin, x, y)[0])
        optimizer.step()
    return np.array(losses)


def _descend(step, twin, batches, update, oracle):
    """Train both, here by `update`, there by `oracle`; return the losses before."""
    here, there = [], []
    for x, y in batches:
        loss, gradients, _ = step(x, y)
        update(gradients)
        here.append(loss)
        there.append(_backward(twin, x, y)[0])
        oracle.step()
    return np.array(here), np.array(there)


def _path_difference(here, there) -> float:
    return float(np.max(np.abs(here - there) / np.abs(there)))


def _backward(twin, images, labels):
    twin.zero_grad()
    logits = twin(_to_torch(images))
    loss = F.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    return loss.item(), logits.detach().numpy()


def _gradient_difference(model, gradients, twin) -> float:
    by_path = dict(
        zip([v.path for v in model.trainable_variables], gradients, strict=True)
    )
    parameters = dict(twin.named_parameters())
    distances, lengths = [], []
    for entry in entries(model):
        if entry.key in parameters:
            here = entry.to_torch(by_path[entry.variable.path])
            there = parameters[entry.key].grad.numpy()
            distances.append(np.linalg.norm((here - there).ravel()))
            lengths.append(np.linalg.norm(there.ravel()))
    lengths, whole = np.array(lengths), np.linalg.norm(lengths)
    lengths[lengths < 1e-4 * whole] = whole
    return float(np.max(distances / lengths))


def _difference(logits, twin_logits) -> float:
    spread = np.ptp(twin_logits, axis=0).max()
    return float(np.abs(logits - twin_logits).max() / spread)


def _to_torch(images):
    return torch.tensor(images.transpose(0, 3, 1, 2)).float()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(asdict(measure_parity(name))), flush=True)
