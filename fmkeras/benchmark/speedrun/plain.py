"""The same net and recipe as a plain PyTorch script: what people write by hand.

One tensor of images in memory, channels last, augmented a batch at a time; SGD of
`torch.optim`, or Muon; in bfloat16 by autocast, or in float32.
"""

import math
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.benchmark.speedrun.goals import Goal
from fmkeras.benchmark.speedrun.plain_muon import PlainMuon
from fmkeras.datasets.augmentation import ERASED_AREA, ERASED_ASPECT
from fmkeras.datasets.splits import Subset
from fmkeras.errors import UserError
from fmkeras.evaluation.views import VIEWS, View
from fmkeras.recipes import Recipe

# What of a recipe this script has; other fields must be as if not given.
_KNOWN = {
    "name",
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup_epochs",
    "l2",
    "momentum",
    "muon_others_rate",
    "norm_bias_rate",
    "label_smoothing",
    "crop_padding",
    "flip",
    "erasing",
    "preprocessing",
    "precision",
    "compile",
    "data_split",
    "keep",
}
_EVALUATION_BATCH = 1_000


class PlainRun:
    """Builds and warms up on creation; `run` is what the clock measures."""

    def __init__(
        self, goal: Goal, train: Subset, test: Subset, seed: int, precision: str
    ) -> None:
        check_recipe(goal.recipe)
        torch.manual_seed(seed)
        self.goal, self.recipe = goal, goal.recipe
        self.bfloat16 = precision == "bfloat16"
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.images, self.labels = self._tensors(train)
        self.test_images, self.test_labels = self._tensors(test)
        self._build()
        self._step(torch.arange(min(self.recipe.batch_size, len(self.images))), 0)
        self._logits_of(self.test_images[:_EVALUATION_BATCH].float())
        # As it was before the first step.
        torch.manual_seed(seed)
        self._build()

    def run(self, log: Callable[[dict], None]) -> int:
        """Train and evaluate; return how many test images are right."""
        batch, count = self.recipe.batch_size, len(self.images)
        step = 0
        for _ in range(self.recipe.epochs):
            started = time.perf_counter()
            loss, right = 0.0, 0
            self.net.train()
            order = torch.randperm(count, device=self.device)
            for start in range(0, count, batch):
                found = self._step(order[start : start + batch], step)
                loss, right, step = loss + found[0], right + found[1], step + 1
            seconds = time.perf_counter() - started
            figures = {"loss": loss / count, "accuracy": right / count}
            log(figures | {"seconds": seconds})
        return self._evaluate()

    def _build(self) -> None:
        recipe = self.recipe
        net = build_twin(
            self.goal.model, preprocessing=recipe.preprocessing, **self.goal.options
        )
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        offsets = [norm.bias for norm in norms]
        for module in net.modules():
            # Keras's first draw.
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.net = net.to(self.device, memory_format=torch.channels_last)
        others = [p for p in net.parameters() if all(p is not b for b in offsets)]
        rate = recipe.norm_bias_rate
        if recipe.optimizer == "muon":
            self.optimizer = self._muon(net, offsets, others)
            return
        groups = [
            {"params": others, "weight_decay": recipe.l2, "factor": 1.0},
            {"params": offsets, "weight_decay": recipe.l2 / rate, "factor": rate},
        ]
        self.optimizer = torch.optim.SGD(
            groups,
            recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.momentum > 0,
        )

    def _muon(self, net, offsets, others) -> torch.optim.Optimizer:
        recipe = self.recipe
        kernels = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)]
        others = [p for p in others if all(p is not kernel for kernel in kernels)]
        rate = recipe.muon_others_rate
        offset_rate = rate * recipe.norm_bias_rate
        groups = [
            {"params": kernels, "factor": 1.0, "orthogonal": True},
            {"params": others, "factor": rate, "orthogonal": False},
            {"params": offsets, "factor": offset_rate, "orthogonal": False},
        ]
        dtype = torch.bfloat16 if self.bfloat16 else torch.float32
        return PlainMuon(groups, recipe.learning_rate, recipe.momentum, dtype)

    def _step(self, numbers, step: int) -> tuple[float, int]:
        rate = rate_at(
            self.recipe, step, -(-len(self.images) // self.recipe.batch_size)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        images = self._augmented(self.images[numbers])
        labels = self.labels[numbers]
        self.optimizer.zero_grad()
        logits = self._logits(images)
        loss = F.cross_entropy(
            logits.float(), labels, label_smoothing=self.recipe.label_smoothing
        )
        loss.backward()
        self.optimizer.step()
        right = (logits.argmax(1) == labels).sum().item()
        return loss.item() * len(labels), right

    def _logits(self, images):
        images = images.contiguous(memory_format=torch.channels_last)
        if not self.bfloat16:
            return self.net(images)
        with torch.autocast(self.device, torch.bfloat16):
            return self.net(images)

    def _augmented(self, images):
        """Return a batch, uint8 (n, 1, 28, 28), moved, flipped and erased, float32."""
        recipe, count = self.recipe, len(images)
        if recipe.crop_padding:
            images = _moved(images, recipe.crop_padding)
        if recipe.flip:
            chosen = torch.rand(count, 1, 1, 1, device=self.device) < 0.5
            images = torch.where(chosen, images.flip(3), images)
        images = images.float()
        return _erased(images, recipe.erasing) if recipe.erasing else images

    def _evaluate(self) -> int:
        self.net.eval()
        total = 0
        for view in VIEWS[self.goal.views]:
            images = _seen(self.test_images, view).float()
            total = total + view.weight * self._logits_of(images)
        return (total.argmax(1) == self.test_labels).sum().item()

    def _logits_of(self, images):
        self.net.eval()
        with torch.no_grad():
            parts = images.split(_EVALUATION_BATCH)
            return torch.cat([self._logits(part).float() for part in parts])

    def _tensors(self, part: Subset):
        images = torch.from_numpy(part.images).unsqueeze(1).to(self.device)
        return images, torch.from_numpy(part.labels).long().to(self.device)


def check_recipe(recipe: Recipe) -> None:
    """Raise `UserError` for a recipe that the plain script does not have."""
    plain = Recipe().to_dict() | {"optimizer": "sgd"}
    own = recipe.to_dict()
    other = [n for n in own if n not in _KNOWN and own[n] != plain[n]]
    if recipe.schedule == "step":
        other.append("schedule step")
    if recipe.optimizer not in ("sgd", "muon"):
        other.append(f"optimizer {recipe.optimizer}")
    if recipe.optimizer == "muon" and recipe.l2:
        other.append("l2 with muon")
    if other:
        raise UserError(
            "The plain PyTorch script trains by SGD, or Muon without l2, with cosine, "
            "linear or constant rates, moves, flips and erasing; expected no other "
            f"fields. Received: {', '.join(other)}"
        )


def rate_at(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step."""
    share = step / (recipe.epochs * steps_per_epoch)
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * share)) / 2
    elif recipe.schedule == "linear":
        rate *= 1 - share
    return rate * min((step + 1) / max(recipe.warmup_steps(steps_per_epoch), 1), 1.0)


def _moved(images, padding: int):
    """Pad with zeros and crop each image somewhere else."""
    padded = F.pad(images, (padding,) * 4)[:, 0]
    count, device = len(images), images.device
    top, left = torch.randint(
        0, 2 * padding + 1, (2, count, 1, 1), device=device
    ).unbind()
    pixels = torch.arange(28, device=device)
    rows, columns = top + pixels[None, :, None], left + pixels[None, None, :]
    numbers = torch.arange(count, device=device)[:, None, None]
    return padded[numbers, rows, columns].unsqueeze(1)


def _erased(images, share: float):
    """Paint a rectangle of one grey value over a share of the images."""
    count, device = len(images), images.device
    draw = torch.rand(6, count, device=device)
    low, high = ERASED_AREA
    area = (low + (high - low) * draw[0]) * 28 * 28
    low, high = map(math.log, ERASED_ASPECT)
    aspect = torch.exp(low + (high - low) * draw[1])
    height = torch.sqrt(area * aspect).round().clamp(1, 28) * (draw[2] < share)
    width = torch.sqrt(area / aspect).round().clamp(1, 28)
    top, left = (draw[3] * (29 - height)).floor(), (draw[4] * (29 - width)).floor()
    pixels = torch.arange(28, device=device)
    rows = (pixels >= top[:, None]) & (pixels < (top + height)[:, None])
    columns = (pixels >= left[:, None]) & (pixels < (left + width)[:, None])
    inside = (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
    value = (draw[5] * 256).floor()[:, None, None, None]
    return torch.where(inside, value, images)


def _seen(images, view: View):
    if view.flipped:
        images = images.flip(3)
    if view.down or view.right:
        margin = max(abs(view.down), abs(view.right))
        top, left = margin - view.down, margin - view.right
        images = F.pad(images, (margin,) * 4)[:, :, top : top + 28, left : left + 28]
    return images
