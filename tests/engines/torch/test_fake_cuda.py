"""Every model on tensors of a CUDA device that is not there: none is left on the CPU.

A fake tensor has a shape, a type and a device, and no memory, so it needs no driver. An
operation that mixes devices raises; what a step makes on the CPU is caught here.
"""

import keras
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fmkeras.engines import create_engine
from fmkeras.engines.torch.dropout import draw_mask
from fmkeras.engines.torch.engine import trace_step
from fmkeras.engines.torch.sampling import sample_images
from fmkeras.models import build_model, list_models, model_info
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_augmentation, build_loss, build_optimizer

pytestmark = pytest.mark.torch_engine

RECIPE = Recipe(crop_padding=2, flip=True, rotation=10.0, erasing=0.3)
BATCH = 8


class OtherDevices(TorchDispatchMode):
    """Collects the operations whose results are not on the fake CUDA device."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(results):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "cuda":
                self.found.add((str(func), tuple(tensor.shape)))
        return results


def trace(model, training):
    """Return what a forward pass of `model` leaves on other devices, and its loss."""
    optimizer, loss = build_optimizer(RECIPE, 10), build_loss(RECIPE)
    engine = create_engine(model, optimizer, loss)
    trained, others = engine._state()[:2]

    def cuda(*shape, dtype=torch.float32):
        return torch.empty(shape, dtype=dtype, device="cuda")

    with FakeTensorMode(), keras.device("gpu:0"):
        state = [[cuda(*t.shape, dtype=t.dtype) for t in g] for g in (trained, others)]
        images = cuda(BATCH, 28, 28, dtype=torch.uint8)
        with OtherDevices() as mode:
            logits, updates = engine._logits(*state, images, training=training)
            losses = engine._loss(cuda(BATCH, engine.num_classes), logits)
        assert logits.shape == (BATCH, engine.num_classes)
        assert all(u.device.type == "cuda" for u in (losses, *updates))
    return mode.found


@pytest.mark.parametrize("name", list_models())
def test_no_tensor_of_a_forward_pass_is_left_on_the_cpu(name):
    # A fake tensor's bytes cannot be read as another type without CUDA: no dropout.
    options = {"dropout": 0.0} if "dropout" in model_info(name).options else {}
    model = build_model(name, **options)
    for training in (True, False):
        assert trace(model, training) == set(), f"training={training}"


def test_augmentation_stays_on_the_device_of_its_images():
    # On the meta device, for a tensor cannot be made from numbers on a fake one.
    augmentation = build_augmentation(RECIPE)
    params = augmentation.draw(BATCH, seed=0, epoch=0).shape[1]
    images = torch.empty(BATCH, 28, 28, dtype=torch.uint8, device="meta")
    with keras.device("meta"):
        changed = augmentation.apply(
            images, torch.empty(BATCH, params, device="meta"), sample_images
        )
    assert changed.device.type == "meta" and changed.shape == images.shape


def test_dropout_draws_on_the_device_of_its_input():
    mask = draw_mask(torch.empty(BATCH, 9, device="meta"), 0.3)
    assert mask.device.type == "meta" and mask.shape == (BATCH, 9)


def test_a_tensor_made_on_the_cpu_is_found():
    with FakeTensorMode(), OtherDevices() as mode:
        torch.zeros(3)
    assert mode.found == {("aten.zeros.default", (3,))}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "ranger21"])
def test_a_step_reads_no_scalar(optimizer):
    # A read stalls a GPU, and a CUDA graph cannot record one.
    recipe = Recipe(optimizer=optimizer, flip=True, ema=0.9)
    loss, augmentation = build_loss(recipe), build_augmentation(recipe)
    model = build_model("cnn")
    engine = create_engine(
        model, build_optimizer(recipe, 10), loss, augmentation=augmentation
    )
    batch = [
        torch.zeros(BATCH, 28, 28, dtype=torch.uint8),
        torch.zeros(BATCH, 10),
        torch.from_numpy(augmentation.draw(BATCH, seed=0, epoch=0)),
    ]
    row = [torch.zeros(()), torch.zeros(BATCH, dtype=torch.int64)]
    graph = trace_step(engine._train_step, [*engine._state(), batch, row]).graph
    assert reads(graph) == []
    read = torch.fx.symbolic_trace(lambda x: x.sum().item()).graph
    assert reads(read) == ["item"]


def reads(graph):
    words = ("item", "_local_scalar_dense", "is_nonzero")
    targets = [str(node.target).split(".") for node in graph.nodes]
    return [word for words_of in targets for word in words_of if word in words]
