"""Each private part of Keras does what we use it for, and one file alone names them.

A test that fails here after an update of Keras says which part has changed and what
stops working without it. The pin in pyproject.toml is the newest minor version of Keras
for which all of them have passed.
"""

import ast
import re
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from fmkeras import keras_internals as internals

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "fmkeras/keras_internals.py"
# Each part by the name that stands in keras_internals.py, and what breaks without it.
PARTS = {
    "keras.src.models.functional": "no model is known to have a graph",
    "keras.src.": "stock optimizers are not told from subclasses: Adam is not fused",
    "seed_generator_state": "dropout masks do not depend on the seed of the run",
    "_adjust_input_rank": "models of inputs (28, 28) are given (28, 28, 1)",
    "_clear_losses": "fit after one that was interrupted fails on tensorflow",
    "_convert_inputs_to_tensors": "models of uint8 inputs are given float32",
    "_exclude_from_weight_decay": "excluded weights decay in the fused AdamW",
    "_exclude_from_weight_decay_pattern": "excluded weights decay in the fused AdamW",
    "_flatten_layers": "masks made inside inner models are lost on torch",
    "_functional": "Sequential models are not fused on torch",
    "_inputs_struct": "models of a list or a dictionary of inputs are not called",
    "_initial_epoch": "fit begins anew where BackupAndRestore has kept epochs",
    "_learning_rate": "schedules are not computed in float64",
    "_model_variables_moving_average": "the fused Adam keeps no averaged weights",
    "_momentums": "Adam is not fused on torch",
    "_nodes_by_depth": "the torch engine cannot plan a model",
    "_outputs_struct": "models of a list or a dictionary of outputs are not trained",
    "_run_through_graph": "the torch engine cannot compute a planned model",
    "_trainable_variables": "Adam is not fused on torch",
    "_velocities": "Adam is not fused on torch",
    "_velocity_hats": "Adam with amsgrad is not fused on torch",
}
# A method that Keras's own documentation of `Optimizer` tells subclasses to call.
DOCUMENTED = {"_get_variable_index"}
FILES = [
    path
    for folder in ("fmkeras", "tuner", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path not in (MODULE, Path(__file__))
]


def private_names(path):
    """Return the private names and the `keras.src` paths that a file uses."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"[\w.]+", node.value):
                found.add(node.value)
    return {
        name
        for name in found
        if name.startswith("keras.src")
        or name == "seed_generator_state"
        or re.fullmatch(r"_[a-z]\w*", name)
    }


def owned_names(path):
    """Return the private names that a file defines, as functions or on `self`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if getattr(node.value, "id", None) == "self":
                found.add(node.attr)
    return found


def names_of_keras():
    """Return the private names that Keras defines, as functions or on `self`."""
    texts = (p.read_text() for p in Path(keras.__file__).parent.rglob("*.py"))
    pattern = r"def (_[a-z]\w*)\(self|self\.(_[a-z]\w*) = "
    return {a or b for text in texts for a, b in re.findall(pattern, text)}


def test_every_private_part_is_named_here():
    used = private_names(MODULE) - owned_names(MODULE)
    assert used == set(PARTS)


def test_no_other_file_names_a_private_part():
    found, of_keras = {}, names_of_keras()
    assert of_keras >= {"_functional", "_outputs_struct", "_all_reduce_sum_gradients"}
    for path in FILES:
        names = private_names(path) - owned_names(path) - DOCUMENTED
        # Optimizers are files that need nothing but Keras; tests name parts of ours.
        alone = path.parent.name == "optimizers" or path.is_relative_to(ROOT / "tests")
        known = PARTS if alone else of_keras
        names = {n for n in names if n in known or n.startswith("keras.src")}
        if names:
            found[str(path.relative_to(ROOT))] = names
    assert not found, f"expected in fmkeras/keras_internals.py alone: {found}"


def test_the_pin_is_the_minor_version_that_these_tests_ran_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = [p for p in project["dependencies"] if re.match("keras[<>=]", p)]
    major, minor = map(int, keras.__version__.split(".")[:2])
    assert pin.endswith(f"<{major}.{minor + 1}")


def small_model(*inner, shape=(4, 4, 1), **arguments):
    pixels = keras.Input(shape, **arguments)
    x = pixels
    for layer in inner:
        x = layer(x)
    return keras.Model(pixels, x)


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_a_graph_gives_calls_and_readers_and_is_run_by_other_functions(kind):
    stack = [layers.ReLU(), layers.Flatten(), layers.Dense(2)]
    if kind == "functional":
        model = small_model(*stack)
    else:
        model = keras.Sequential([keras.Input((4, 4, 1)), *stack])
    graph = internals.ModelGraph(internals.functional_graph(model))
    relu, flatten, dense = stack
    assert list(graph.calls) == stack
    assert graph.readers(relu) == [flatten] and graph.readers(dense) == []
    assert graph.only_reader(flatten) is dense and graph.only_reader(dense) is None
    images = np.random.default_rng(0).normal(size=(3, 4, 4, 1)).astype("float32")
    seen = []

    def replace(operation):
        seen.append(operation)
        return operation

    found = graph.run(keras.ops.convert_to_tensor(images), replace)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(found), model.predict(images, verbose=0), rtol=1e-5
    )
    assert seen == stack


def test_a_layer_called_twice_or_with_more_than_a_tensor_is_told_apart():
    twice, mixed = layers.ReLU(), layers.MultiHeadAttention(1, 2)
    pixels = keras.Input((4, 3))
    x = mixed(twice(twice(pixels)), value=pixels)
    graph = internals.ModelGraph(
        internals.functional_graph(keras.Model(pixels, x, name="outer"))
    )
    assert len(graph.calls[twice]) == 2 and graph.only_reader(twice) is None
    (call,) = graph.calls[mixed]
    assert call.argument is None
    assert all(keras.utils.is_keras_tensor(c.argument) for c in graph.calls[twice])


def test_calls_of_other_models_do_not_count():
    pixels = keras.Input((4, 4, 1))
    shared, first, second = layers.ReLU(), layers.Flatten(), layers.Flatten()
    x = shared(pixels)
    model, _ = keras.Model(pixels, first(x)), keras.Model(pixels, second(x))
    graph = internals.ModelGraph(internals.functional_graph(model))
    assert graph.only_reader(shared) is first


def test_models_with_a_call_of_their_own_have_no_graph():
    class Doubled(keras.Model):
        def call(self, x, **arguments):
            return 2 * x

    class OwnGraph(keras.Model):
        def call(self, x, **arguments):
            return 2 * super().call(x, **arguments)

    pixels = keras.Input((2,))
    assert internals.functional_graph(Doubled()) is None
    own = OwnGraph(pixels, layers.ReLU()(pixels))
    assert internals.functional_graph(own) is None
    assert internals.functional_graph(keras.Sequential([layers.Dense(1)])) is None


def test_inputs_are_converted_to_the_rank_and_type_of_the_model():
    for shape, arguments in (((4, 4), {}), ((4, 4, 1), {"dtype": "uint8"})):
        model = small_model(layers.Flatten(), shape=shape, **arguments)
        graph = internals.ModelGraph(internals.functional_graph(model))
        given = keras.ops.ones((2, 4, 4, 1))
        seen = []

        def watch(operation, seen=seen):
            def call(x):
                seen.append((len(x.shape), keras.backend.standardize_dtype(x.dtype)))
                return operation(x)

            return call

        assert graph.run(given, watch).shape == (2, 16)
        assert seen == [(len(shape) + 1, arguments.get("dtype", "float32"))]


def test_one_output_in_a_list_is_returned_as_that_output():
    pixels = keras.Input((2,))
    model = keras.Model([pixels], [layers.ReLU()(pixels)])
    functional = internals.functional_graph(model)
    assert internals.input_structure(functional) == [pixels]
    assert internals.output_structure(model) == model.outputs
    sequence = keras.Sequential([keras.Input((2,)), layers.ReLU()])
    assert internals.output_structure(sequence) is sequence.outputs[0]
    graph = internals.ModelGraph(functional)
    assert graph.run(keras.ops.ones((3, 2)), lambda layer: layer).shape == (3, 2)


def test_layers_inside_inner_models_are_found():
    inner = small_model(layers.ReLU(name="within"))
    found = internals.layers_within(small_model(inner, layers.Flatten()))
    assert {"within", inner.name} <= {layer.name for layer in found}


@pytest.mark.every_backend
def test_the_states_of_dropout_are_found():
    dropout = layers.Dropout(0.5)
    model = small_model(dropout, layers.BatchNormalization())
    (state,) = internals.seed_states(model)
    assert state is dropout.seed_generator.state


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_the_state_of_adam_is_complete(name):
    optimizer = getattr(keras.optimizers, name)(amsgrad=True, use_ema=True)
    weights = [keras.Variable(np.ones(3)), keras.Variable(np.ones(2))]
    optimizer.build(weights)
    state = internals.adam_state(optimizer)
    assert state.weights == weights
    lists = state[1:]
    assert all([v.shape for v in group] == [(3,), (2,)] for group in lists)
    found = {id(v) for group in lists for v in group}
    slots = [v for v in optimizer.variables if v.shape in ((3,), (2,))]
    assert found == {id(v) for v in slots}
    names = [group[0].path.rpartition("_")[2] for group in lists]
    assert names == ["momentum", "velocity", "hat", "average"]


def test_a_subclass_is_no_stock_optimizer():
    class Adam(keras.optimizers.Adam):
        pass

    assert internals.is_stock_optimizer(keras.optimizers.Adam(), "Adam")
    assert not internals.is_stock_optimizer(keras.optimizers.AdamW(), "Adam")
    assert not internals.is_stock_optimizer(Adam(), "Adam")


def test_excluded_weights_are_seen():
    weight = keras.Variable(np.ones(2), name="gamma")
    for exclusion in ({"var_list": [weight]}, {"var_names": ["gamma"]}):
        optimizer = keras.optimizers.AdamW()
        assert internals.decays_every_weight(optimizer)
        optimizer.exclude_from_weight_decay(**exclusion)
        assert not internals.decays_every_weight(optimizer)


@pytest.mark.every_backend
def test_a_schedule_is_given_as_it_was_set():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    optimizer = keras.optimizers.Adam(schedule)
    assert internals.learning_rate_setting(optimizer) is schedule
    variable = internals.learning_rate_setting(keras.optimizers.Adam(0.5))
    assert float(keras.ops.convert_to_numpy(variable)) == 0.5


@pytest.mark.every_backend
def test_a_layer_called_again_keeps_its_first_call_in_each_model():
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(3)
    model = keras.Model(inputs, keras.layers.ReLU()(dense(inputs)))

    other = keras.Input((4,))
    outputs = internals.call_again(model, keras.layers.Rescaling(2.0)(other))
    again = keras.Model(other, outputs)

    x = np.ones((2, 4), "float32")
    expected = model.predict(2 * x, verbose=0)
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-6)
    assert internals.first_calls(model)[dense].inputs[0] is inputs
    assert internals.first_calls(again)[dense].outputs[0] is not dense.output


@pytest.mark.every_backend
def test_functions_that_give_rates_are_told_from_schedules():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    for rate, function, python in (
        (0.1, False, False),
        (schedule, False, False),
        (lambda: 0.1, True, True),
        (lambda: keras.ops.convert_to_tensor(0.1), True, False),
    ):
        optimizer = keras.optimizers.SGD(rate)
        assert internals.is_function_rate(optimizer) == function
        assert internals.is_python_rate(optimizer) == python


@pytest.mark.every_backend
def test_what_training_left_is_read_once_and_forgotten():
    layers = [keras.Input((3,)), keras.layers.Dense(2, activity_regularizer="l1")]
    model = keras.Sequential(layers)
    model(np.ones((1, 3), "float32"))
    assert len(model.losses) == 1
    internals.clear_losses(model)
    assert not model.losses
    # As `BackupAndRestore` does.
    setattr(model, "_initial_epoch", 3)  # noqa: B010
    assert internals.take_restored_epoch(model) == 3
    assert internals.take_restored_epoch(model) is None
    optimizer = keras.optimizers.SGD()
    assert internals.optimized_variables(optimizer) == []
    optimizer.build(model.trainable_variables)
    scaled = keras.optimizers.LossScaleOptimizer(optimizer)
    for one in (optimizer, scaled):
        found = internals.optimized_variables(one)
        assert len(found) == 2
        assert all(map(lambda a, b: a is b, found, model.trainable_variables))
