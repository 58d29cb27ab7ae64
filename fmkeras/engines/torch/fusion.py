"""Which layers of a model one function of torch can compute together.

A convolution pads by itself, at inference it takes the normalisation behind it with
it, and what cuts off or bends values waits until a maximum has thinned them out.
"""

from keras import activations, layers


def takes_floats(layer) -> bool:
    """Whether a layer is given floating-point tensors alone.

    Keras's layers differ in what they do with whole numbers.
    """
    return all(
        tensor.dtype in ("float32", "float16", "bfloat16", "float64")
        for node in layer._inbound_nodes
        for tensor in node.input_tensors
    )


def makes_masks(model) -> bool:
    """Whether a layer somewhere in a model tells later ones which steps to skip."""
    return any(
        isinstance(layer, layers.Masking) or getattr(layer, "mask_zero", False)
        for layer in model._flatten_layers(include_self=False)
    )


def plain_convolution(layer) -> bool:
    """Whether a Conv2D is one of torch's, with as many zeros on either side."""
    same = layer.padding == "same"
    symmetric = layer.strides == (1, 1) and all(k % 2 for k in layer.kernel_size)
    return (
        layer.data_format == "channels_last"
        and layer.groups == 1
        and layer.dilation_rate == (1, 1)
        and (layer.padding == "valid" or same and symmetric)
        and not layer.lora_enabled
        and layer.quantization_mode is None
    )


def plain_normalization(layer) -> bool:
    """Whether a BatchNormalization is of the channels of images, which come last."""
    axis = layer.axis if isinstance(layer.axis, int) else -1
    return (
        len(layer.input.shape) == 4
        and axis in (-1, 3)
        and not (layer.synchronized or layer.renorm)
        and layer.dtype_policy.quantization_mode is None
    )


def plain_pooling(layer) -> bool:
    """Whether a pooling layer leaves out what does not fill a window."""
    return layer.padding == "valid" and layer.data_format == "channels_last"


def plain_relu(layer) -> bool:
    """Whether a ReLU is the plain one."""
    return (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0, 0)


def paddings_of_convolutions(model) -> dict:
    """Return what each convolution pads by itself, in place of the layer before it.

    Holds those layers too, which then have nothing to do.
    """
    found = {}
    for layer in _inner_layers(model):
        if not isinstance(layer, layers.ZeroPadding2D):
            continue
        (top, bottom), (left, right) = layer.padding
        readers = _readers(layer)
        if (top, left) == (bottom, right) and all(
            type(reader) is layers.Conv2D
            and plain_convolution(reader)
            and reader.padding == "valid"
            and len(reader._inbound_nodes) == 1
            for reader in readers
        ):
            found |= dict.fromkeys([layer, *readers], (top, left))
    return found


def norms_of_convolutions(model) -> dict:
    """Return the normalisation behind each convolution that nothing else reads.

    At inference it is a factor and a shift of each filter: part of the convolution.
    """
    found = {}
    for layer in _inner_layers(model):
        if (
            type(layer) is layers.Conv2D
            and plain_convolution(layer)
            and layer.activation is activations.linear
        ):
            norm = _only_reader(layer, (layers.BatchNormalization,))
            if norm is not None and plain_normalization(norm):
                found[layer] = norm
    return found


def activations_after_pool(model) -> dict:
    """Return the layer whose activation each max pooling can do after it.

    A function that never falls has the largest value where its argument is largest:
    done after the maximum it gives the same values and gradients, of fewer numbers.
    """
    found = {}
    for layer in _inner_layers(model):
        rises = (
            type(layer) is layers.Conv2D
            and plain_convolution(layer)
            and layer.activation is activations.relu
            or type(layer) is layers.ReLU
            and plain_relu(layer)
            or type(layer) is layers.LeakyReLU
        )
        pool = _only_reader(layer, (layers.MaxPooling2D,)) if rises else None
        if pool is not None and plain_pooling(pool):
            found[pool] = layer
    return found


def norms_before_pool(model) -> dict:
    """Return the normalisation before each max pooling, an activation between or not.

    Of those whose pixels all stand in a window of two by two.
    """
    found = {}
    pools = {layer: pool for pool, layer in activations_after_pool(model).items()}
    for layer in _inner_layers(model):
        if type(layer) is not layers.BatchNormalization:
            continue
        activation = _only_reader(layer, (layers.ReLU, layers.LeakyReLU))
        pool = pools.get(activation) or _only_reader(layer, (layers.MaxPooling2D,))
        if (
            pool is not None
            and plain_pooling(pool)
            and is_2x2_pool(pool)
            and not any(side % 2 for side in pool.input.shape[1:3])
            and plain_normalization(layer)
            and layer.scale
            and layer.center
            and layer.trainable
        ):
            found[pool] = layer
    return found


def is_2x2_pool(layer) -> bool:
    """Whether a pooling layer is of two by two pixels, each in one window."""
    return tuple(layer.pool_size) == tuple(layer.strides) == (2, 2)


def _only_reader(layer, kinds):
    """Return what alone reads a layer, if of these kinds and each used once.."""
    readers = _readers(layer)
    alone = len(layer._inbound_nodes) == len(readers) == 1
    if alone and type(readers[0]) in kinds and len(readers[0]._inbound_nodes) == 1:
        return readers[0]
    return None


def _readers(layer) -> list:
    return [node.operation for node in layer._outbound_nodes]


def _inner_layers(model) -> list:
    """Return the layers of a functional model whose outputs it does not give."""
    if not hasattr(model, "_run_through_graph"):
        return []
    last = [tensor._keras_history.operation for tensor in model.outputs]
    return [
        layer for layer in model.layers if layer not in last and takes_floats(layer)
    ]
