"""The PyTorch twins, and weights on their way to them and back."""

import keras
import numpy as np
import pytest
import torch

from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.benchmark.pytorch.weights import export_to_torch, import_from_torch
from fmkeras.errors import UserError
from fmkeras.models import build_model, list_models, model_info

SMALL = [name for name in list_models() if model_info(name).input_size == 28]
OWN = ["fmk_100k", "fmk_1m", "fmk_10m", "conv_pool"]


def some_images(count):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def twin_logits(twin, images):
    twin.eval()
    with torch.no_grad():
        return twin(torch.tensor(images.transpose(0, 3, 1, 2)).float()).numpy()


@pytest.mark.parametrize("name", [*list_models(variants=True), *OWN])
def test_twin_has_the_parameters_of_the_network(name):
    with torch.device("meta"):
        twin = build_twin(name)
    count = sum(parameter.numel() for parameter in twin.parameters())
    assert count == model_info(name).parameters


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "resnet34"])
@pytest.mark.slow
def test_variants_equal_their_twins(name):
    model = build_model(name, seed=2)
    twin = build_twin(name)
    twin.load_state_dict(export_to_torch(model))
    images = some_images(1)
    logits = twin_logits(twin, images)
    difference = np.abs(model.predict_on_batch(images) - logits).max()
    assert difference < 1e-4 * np.ptp(logits)


@pytest.mark.parametrize("name", [*SMALL, "fmk_100k"])
def test_weights_of_a_twin_come_here_and_go_back(name):
    torch.manual_seed(1)
    twin = build_twin(name, num_classes=7, preprocessing="standardise")
    for buffer_name, buffer in twin.named_buffers():
        if "running" in buffer_name:  # as if it had been trained
            buffer.uniform_(0.5, 1.5)
    model = build_model(name, num_classes=7, preprocessing="standardise")
    import_from_torch(model, twin.state_dict())
    images = some_images(4)
    there, here = twin_logits(twin, images), model.predict_on_batch(images)
    np.testing.assert_allclose(here, there, atol=1e-4 * np.ptp(there))
    exported = export_to_torch(model)
    assert exported.keys() == twin.state_dict().keys()
    for key, value in twin.state_dict().items():
        torch.testing.assert_close(exported[key], value, rtol=0, atol=0)


def test_options_reach_the_twin():
    model = build_model("densenet", growth=8, layers_per_block=(2, 3))
    twin = build_twin("densenet", growth=8, layers_per_block=(2, 3))
    twin.load_state_dict(export_to_torch(model))
    assert build_twin("mlp", hidden_units=(5,)).dense_1.out_features == 5
    assert build_twin("mynet", dropout=0.1).dropout_2.p == 0.1
    with pytest.raises(UserError, match="hidden_units"):
        build_twin("mlp", dropout=0.1)
    with pytest.raises(UserError, match="Did you mean lenet"):
        build_twin("lenett")


def test_a_layer_behind_a_flattening_is_permuted():
    model = build_model("lenet_relu")
    kernel = export_to_torch(model)["dense_1.weight"].numpy()
    here = keras.ops.convert_to_numpy(model.get_layer("dense_1").kernel)
    # Row 1, column 2, channel 3 of the last maps, 4 x 4 with 12 channels.
    np.testing.assert_array_equal(
        kernel[:, 3 * 16 + 1 * 4 + 2], here[(1 * 4 + 2) * 12 + 3]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv_1.bias"), "1 missing .'conv_1.bias'."),
        (lambda state: state.update(extra=torch.ones(1)), "1 unknown .'extra'."),
        (
            lambda state: state.update({"logits.bias": torch.ones(9)}),
            r"logits.bias of shape \(10,\).*Received: \(9,\)",
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(change, message):
    model = build_model("lenet")
    before = export_to_torch(model)
    state = export_to_torch(build_model("lenet", seed=1))
    change(state)
    with pytest.raises(UserError, match=message) as caught:
        import_from_torch(model, state)
    assert "\n" not in str(caught.value)
    for key, value in export_to_torch(model).items():
        assert torch.equal(value, before[key])


def test_layers_of_other_kinds_are_refused():
    inputs = keras.Input((28, 28, 1))
    outputs = keras.layers.DepthwiseConv2D(3, name="odd")(inputs)
    with pytest.raises(UserError, match="DepthwiseConv2D 'odd'"):
        export_to_torch(keras.Model(inputs, outputs))


def test_a_stage_of_three_convolutions_has_the_shortcut_of_the_network():
    options = {"stem": 4, "widths": (6, 8, 10), "convs_per_stage": 3}
    model = build_model("conv_pool", seed=2, **options)
    twin = build_twin("conv_pool", **options)
    twin.load_state_dict(export_to_torch(model))
    images = some_images(3)
    there, here = twin_logits(twin, images), model.predict_on_batch(images)
    np.testing.assert_allclose(here, there, atol=1e-4 * np.ptp(there))
