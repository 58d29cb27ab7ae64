"""The other side of the speed measurement: PyTorch as people write it by hand.

Three loops over the same twin, each the whole of what such a script does in a step:
`loader`, over single images through a DataLoader, as the five projects do it;
`tensors`, over one tensor in memory, channels last; `tuned`, that with
`torch.compile`, a fused optimizer and bfloat16 autocast where there is hardware for it.
"""

import time

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.engines.device import has_bfloat16_hardware

LEARNING_RATE = 1e-3


class PillowImages(Dataset):
    """One PIL image after another, made a tensor when it is asked for."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = [Image.fromarray(image) for image in images]
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number):
        pixels = torch.from_numpy(np.array(self.images[number]))
        return pixels.unsqueeze(0).float(), int(self.labels[number])


class Baseline:
    """A plain loop over tensors in memory: (b) of the measurement.

    images: uint8 (n, side, side); labels: (n,). One step trains on `batch_size` of
    them.
    """

    fused = False

    def __init__(self, name, images, labels, batch_size) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_size = batch_size
        twin = build_twin(name, side=images.shape[1])
        self.twin = twin.to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            self.twin.parameters(), lr=LEARNING_RATE, fused=self.fused
        )
        self.images = torch.from_numpy(images).unsqueeze(1).to(self.device)
        self.labels = torch.from_numpy(labels).to(self.device)

    def train(self, count: int) -> None:
        """Train on the first `count` images, in a new order."""
        self.twin.train()
        order = torch.randperm(count, device=self.device)
        total = 0.0
        for start in range(0, count, self.batch_size):
            numbers = order[start : start + self.batch_size]
            total += self._step(self.images[numbers].float(), self.labels[numbers])
        self._finish(total)

    def predict(self, count: int, batch_size: int) -> None:
        """Compute the logits of the first `count` images."""
        self.twin.eval()
        outputs = []
        with torch.no_grad():
            for start in range(0, count, batch_size):
                batch = self.images[start : min(start + batch_size, count)].float()
                outputs.append(self._logits(batch).float().cpu())
        torch.cat(outputs)

    def _step(self, batch, targets) -> float:
        batch = batch.contiguous(memory_format=torch.channels_last)
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self._logits(batch), targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _logits(self, batch):
        return self.twin(batch)

    def _finish(self, total) -> None:
        if not np.isfinite(float(total)):
            raise FloatingPointError("the loss is no number")


class LoaderPeer(Baseline):
    """A DataLoader in the same process, one image at a time: (a)."""

    def __init__(self, name, images, labels, batch_size) -> None:
        super().__init__(name, images, labels, batch_size)
        self.twin.to(memory_format=torch.contiguous_format)
        self.pictures = PillowImages(images, labels)

    def train(self, count: int) -> None:
        self.twin.train()
        total = 0.0
        for batch, targets in self._loader(count, self.batch_size, shuffle=True):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(
                self.twin(batch.to(self.device)), targets.to(self.device)
            )
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        self._finish(total)

    def predict(self, count: int, batch_size: int) -> None:
        self.twin.eval()
        with torch.no_grad():
            for batch, _ in self._loader(count, batch_size, shuffle=False):
                self.twin(batch.to(self.device)).cpu()

    def _loader(self, count, batch_size, shuffle) -> DataLoader:
        part = torch.utils.data.Subset(self.pictures, range(count))
        return DataLoader(part, batch_size, shuffle=shuffle)


class TunedPeer(Baseline):
    """What PyTorch offers for speed: (c)."""

    fused = True

    def __init__(self, name, images, labels, batch_size) -> None:
        super().__init__(name, images, labels, batch_size)
        self.compiled = torch.compile(self.twin)
        self.autocast = has_bfloat16_hardware("gpu" if self.device == "cuda" else "cpu")

    def _step(self, batch, targets):
        batch = batch.contiguous(memory_format=torch.channels_last)
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self._logits(batch).float(), targets)
        loss.backward()
        self.optimizer.step()
        # The sum stays on the device: reading it would stop the queue.
        return loss.detach()

    def _logits(self, batch):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            return self.compiled(batch)


PEERS = {"loader": LoaderPeer, "tensors": Baseline, "tuned": TunedPeer}


def product_rate(dtype: str, size: int = 2048, seconds: float = 0.5) -> float:
    """Return the floating-point operations a second of a large matrix product.

    `dtype`: float32 or bfloat16. The best of several tries over about `seconds`, by
    the library that our engine takes: oneDNN in float32 on a CPU, else torch's choice.
    """
    from fmkeras.engines.torch.matmul import affine

    device = "cuda" if torch.cuda.is_available() else "cpu"
    count = 4 if device == "cpu" else 100
    matrix = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    best, began = 0.0, time.perf_counter()
    while best == 0.0 or time.perf_counter() - began < seconds:
        started = time.perf_counter()
        for _ in range(count):
            product = affine(matrix, matrix, None)
        product[0, 0].item()
        rate = count * 2 * size**3 / (time.perf_counter() - started)
        best = max(best, rate)
    return best
