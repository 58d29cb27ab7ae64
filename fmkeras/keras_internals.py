"""Every private part of Keras that this project uses: no other file names one.

Private parts change without notice, so pyproject.toml allows only the minor versions
of Keras for which tests/test_keras_internals.py has passed: one test for each part,
which says what stops working without it.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import keras
from keras.src.models.functional import Functional


class Call(NamedTuple):
    """One call of an operation in a model's graph.

    operation: a layer, or one of `keras.ops`. argument: what it is called with, a
    symbolic tensor or a structure of them; None where it has other arguments too,
    `training` apart.
    """

    operation: keras.Operation
    argument: object


class ModelGraph:
    """The calls of a functional model in the order of computation, and their readers.

    Only the model's own calls count: a layer may also be part of other models.
    """

    def __init__(self, functional: Functional) -> None:
        self._model = functional
        self.calls: dict[keras.Operation, list[Call]] = defaultdict(list)
        self._readers: dict[keras.Operation, list[keras.Operation]] = defaultdict(list)
        producers = {}
        levels = functional._nodes_by_depth
        for depth in sorted(levels, reverse=True):
            for node in levels[depth]:
                producers |= {id(tensor): node.operation for tensor in node.outputs}
                if node.is_input:
                    continue
                self.calls[node.operation].append(_read_call(node))
                for tensor in node.input_tensors:
                    if id(tensor) in producers:
                        self._readers[producers[id(tensor)]].append(node.operation)
        self._results = {producers.get(id(tensor)) for tensor in functional.outputs}

    def readers(self, operation: keras.Operation) -> list[keras.Operation]:
        """Return the operations that read an operation's output, one a read.

        Empty for an operation whose output is one of the model's.
        """
        return [] if operation in self._results else self._readers[operation]

    def only_reader(self, operation: keras.Operation) -> keras.Operation | None:
        """Return the single reader of an operation; None unless each is called once."""
        readers = self.readers(operation)
        if len(readers) == len(self.calls[operation]) == 1:
            return readers[0] if len(self.calls[readers[0]]) == 1 else None
        return None

    def run(self, inputs, replace: Callable[[keras.Operation], Callable]):
        """Return the model's outputs, each operation computed by what replaces it.

        Inputs are converted, and their rank adjusted, as when the model is called; a
        list of one output is returned as that output.
        """
        flat = keras.tree.flatten(inputs)
        flat = self._model._convert_inputs_to_tensors(flat)
        flat = self._model._adjust_input_rank(flat)
        outputs = self._model._run_through_graph(flat, operation_fn=replace)
        single = isinstance(outputs, list | tuple) and len(outputs) == 1
        return outputs[0] if single else outputs


def _read_call(node) -> Call:
    positional, named = node.arguments.args, node.arguments.kwargs
    others = [n for n, value in named.items() if value is not None and n != "training"]
    alone = len(positional) == 1 and not others
    return Call(node.operation, positional[0] if alone else None)


def functional_graph(model: keras.Model) -> Functional | None:
    """Return the functional model whose graph computes `model`.

    That is the model itself, or the one inside a `Sequential`; None for a model with a
    `call` of its own, and for a `Sequential` that is not built.
    """
    if isinstance(model, keras.Sequential):
        own_call = type(model).call is not keras.Sequential.call
        return None if own_call else model._functional
    if isinstance(model, Functional) and type(model).call is Functional.call:
        return model
    return None


class LayerCall(NamedTuple):
    """What an operation is given in a model, and what it gives: symbolic tensors."""

    inputs: list
    outputs: list


def first_calls(model: keras.Model) -> dict[keras.Operation, LayerCall]:
    """Return each operation's first call in a model, in the order of computation.

    A layer's own `input` and `output` are of its first call anywhere, which may be in
    another model. Empty for a model without a functional graph.
    """
    functional, found = functional_graph(model), {}
    if functional is None:
        return found
    levels = functional._nodes_by_depth
    for depth in sorted(levels, reverse=True):
        for node in levels[depth]:
            call = LayerCall(list(node.input_tensors), list(node.output_tensors))
            found.setdefault(node.operation, call)
    return found


def call_again(
    functional: Functional,
    tensors,
    replace: Callable[[keras.Operation], Callable] = lambda layer: layer,
):
    """Return the outputs of a model's layers, called one by one on another input.

    `tensors` is one input, or several in a structure; `replace` maps each operation to
    what is called in its place.
    """
    return functional._run_through_graph(tensors, operation_fn=replace)


def input_structure(functional: Functional):
    """Return the inputs of a functional model as nested as it wants to be given them.

    `keras.Model([x], y)` takes a list of one tensor, `keras.Model(x, y)` the tensor.
    """
    return functional._inputs_struct


def output_structure(model: keras.Model):
    """Return a model's outputs as nested as it gives them.

    Of a `Sequential`, which has no such structure, its one output.
    """
    return getattr(model, "_outputs_struct", model.outputs[0])


def layers_within(model: keras.Model) -> list[keras.Layer]:
    """Return every layer of a model, those inside layers and inner models included."""
    return list(model._flatten_layers(include_self=False))


def seed_states(model: keras.Model) -> list[keras.Variable]:
    """Return the states of a model's random generators, uint32 (2,) each.

    Their variables carry the name that `keras.random.SeedGenerator` gives them.
    """
    return [
        variable
        for variable in model.non_trainable_variables
        if variable.path.endswith("seed_generator_state")
    ]


def is_stock_optimizer(optimizer: keras.optimizers.Optimizer, name: str) -> bool:
    """Return whether an optimizer is Keras's own of that class name, no subclass.

    On torch `keras.optimizers.Adam(...)` gives a subclass of the same name.
    """
    kind = type(optimizer)
    return kind.__name__ == name and kind.__module__.startswith("keras.src.")


class AdamState(NamedTuple):
    """The variables of a built `Adam` or `AdamW`, each list in the weights' order.

    `largest_velocities` is empty without amsgrad, `averages` without `use_ema`.
    """

    weights: list[keras.Variable]
    momentums: list[keras.Variable]
    velocities: list[keras.Variable]
    largest_velocities: list[keras.Variable]
    averages: list[keras.Variable]


def adam_state(optimizer: keras.optimizers.Optimizer) -> AdamState:
    """Return what a built `Adam`, `AdamW` or `TorchAdam`, whose slots have the same
    names, updates in a step.
    """
    return AdamState(
        optimizer._trainable_variables,
        optimizer._momentums,
        optimizer._velocities,
        optimizer._velocity_hats if optimizer.amsgrad else [],
        optimizer._model_variables_moving_average if optimizer.use_ema else [],
    )


def decays_every_weight(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether no weight was excluded by `exclude_from_weight_decay`."""
    return not (
        getattr(optimizer, "_exclude_from_weight_decay", None)
        or getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    )


def learning_rate_setting(optimizer: keras.optimizers.Optimizer):
    """Return an optimizer's learning rate as it was set: a schedule or a variable.

    The public property evaluates a schedule for the current step.
    """
    return optimizer._learning_rate


def is_function_rate(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer's learning rate is a function of the user's."""
    setting = learning_rate_setting(optimizer)
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return callable(setting) and not isinstance(setting, schedule)


def is_python_rate(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether that function gives plain numbers, which no graph follows."""
    if not is_function_rate(optimizer):
        return False
    rate = learning_rate_setting(optimizer)()
    return not (keras.ops.is_tensor(rate) or isinstance(rate, keras.Variable))


def take_restored_epoch(model: keras.Model) -> int | None:
    """Return the epoch that `BackupAndRestore` found kept, once; None without it."""
    epoch = getattr(model, "_initial_epoch", None)
    model._initial_epoch = None
    return epoch


def optimized_variables(optimizer: keras.optimizers.Optimizer) -> list:
    """Return the variables that an optimizer was built for.

    A `LossScaleOptimizer` leaves them to the one inside.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return list(getattr(optimizer, "_trainable_variables", []))


def clear_losses(model: keras.Model) -> None:
    """Forget the losses that layers added in a call, tensors of a graph perhaps."""
    model._clear_losses()
