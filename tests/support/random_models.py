"""Image classifiers drawn at random from stock layers and operations of Keras."""

import keras
import numpy as np
from keras import layers, ops

ACTIVATIONS = ("linear", "relu", "gelu", "tanh", "sigmoid", "silu", "leaky_relu")


def random_model(seed: int) -> keras.Model:
    """Return a model of 28 x 28 grey images that Keras itself can predict with."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    model = _draw(rng)
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(_values(rng, variable))
    return model


def _values(rng, variable) -> np.ndarray:
    values = rng.normal(0, 0.5, variable.shape) / max(np.prod(variable.shape[:-1]), 1)
    if variable.name in ("gamma", "moving_variance", "variance", "count"):
        values = 0.5 + rng.random(variable.shape)
    elif variable.ndim > 1:
        fan_in = np.prod(variable.shape[:-1])
        values = rng.normal(0, 1.5 / np.sqrt(fan_in), variable.shape)
    else:
        values = rng.normal(0, 0.3, variable.shape)
    return values.astype(variable.dtype)


def _draw(rng) -> keras.Model:
    if rng.random() < 0.15:
        return _sequential(rng)
    any_size = rng.random() < 0.15
    shape = (None, None, 1) if any_size else (28, 28, 1)
    if not any_size and rng.random() < 0.25:
        shape = (28, 28)
    kind = "uint8" if rng.random() < 0.25 else "float32"
    x = inputs = keras.Input(shape, dtype=kind, name="image")
    if kind == "uint8":
        x = ops.cast(x, "float32") if rng.random() < 0.5 else layers.Rescaling(1.0)(x)
    x = _choose(rng, [layers.Rescaling(1 / 255), _divide, _standardise, _normalise])(x)
    if len(shape) == 2:
        x = _sequence(rng, x) if rng.random() < 0.7 else ops.expand_dims(x, -1)
    if len(x.shape) == 4:
        x = _images(rng, x, any_size)
    x = _vector(rng, x)
    scores = layers.Dense(10, activation=_choose(rng, [None, "softmax", "sigmoid"]))(x)
    if rng.random() < 0.2:
        scores = ops.softmax(scores * 2.0)
    given = _choose(rng, [inputs, inputs, [inputs], {"image": inputs}])
    features = layers.Reshape((-1, 1))(x)
    outputs = _choose(
        rng,
        [scores, scores, [scores], {"scores": scores}, {"a": features, "b": scores}],
    )
    return keras.Model(given, outputs)


def _choose(rng, values):
    return values[int(rng.integers(len(values)))]


def _divide(x):
    return x / 255.0


def _standardise(x):
    return (x - 127.5) * (1 / 127.5)


def _normalise(x):
    layer = layers.Normalization(axis=None)
    layer.adapt(np.arange(256, dtype="float32"))
    return layer(x)


def _sequential(rng) -> keras.Model:
    parts = [layers.Rescaling(1 / 255)]
    if rng.random() < 0.6:
        parts.insert(0, keras.Input((28, 28, 1)))
    parts += [
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        keras.Sequential([layers.ZeroPadding2D(1), layers.Conv2D(3, 3, strides=2)]),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10),
    ]
    if rng.random() < 0.5:
        parts.append(layers.Softmax())
    model = keras.Sequential(parts)
    model(np.zeros((1, 28, 28, 1), "float32"))
    return model


def _images(rng, x, any_size):
    for _ in range(int(rng.integers(2, 6))):
        x = _choose(rng, _IMAGE_STEPS)(rng, x)
    if not any_size and rng.random() < 0.5:
        x = layers.MaxPooling2D(3)(x)
        return layers.Flatten()(x)
    pool = _choose(rng, [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
    return pool()(x)


def _convolution(rng, x):
    size = int(rng.integers(1, 5))
    padding = _choose(rng, ["same", "valid"])
    dilation, strides = 1, int(rng.integers(1, 3))
    if rng.random() < 0.2:
        dilation, strides = 2, 1
    return layers.Conv2D(
        4,
        size,
        strides=strides,
        padding=padding if size < 3 else "same",
        dilation_rate=dilation,
        use_bias=bool(rng.random() < 0.7),
        activation=_choose(rng, ACTIVATIONS),
        groups=2 if x.shape[-1] % 2 == 0 and rng.random() < 0.2 else 1,
    )(x)


def _block(rng, x):
    if rng.random() < 0.5:
        padding = _choose(rng, [1, ((1, 1), (2, 2)), ((0, 1), (1, 0))])
        x = layers.ZeroPadding2D(padding)(x)
    x = layers.Conv2D(4, 3, padding="same")(x)
    if rng.random() < 0.7:
        x = layers.BatchNormalization(scale=bool(rng.random() < 0.8))(x)
    x = _choose(rng, [layers.ReLU(), layers.LeakyReLU(0.1), layers.ReLU(6.0)])(x)
    return layers.MaxPooling2D(2, padding=_choose(rng, ["valid", "same"]))(x)


def _residual(rng, x):
    y = layers.Conv2D(x.shape[-1], 3, padding="same", activation="relu")(x)
    if rng.random() < 0.5:
        y = layers.BatchNormalization()(y)
    return _choose(rng, [layers.Add(), layers.Maximum(), layers.Concatenate()])([x, y])


def _excite(rng, x):
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(weights)
    return layers.Multiply()([x, weights]) if rng.random() < 0.5 else x * weights


def _operators(rng, x):
    def clipped(x):
        return ops.maximum(x, 0.1 * x) + ops.minimum(x, 1.0)

    def squared(x):
        return ops.square(x) - ops.mean(x, axis=-1, keepdims=True)

    def joined(x):
        return ops.concatenate([x, -x], axis=-1)

    return _choose(rng, [clipped, squared, joined, ops.relu, abs])(x)


def _shared(rng, x):
    layer = layers.Conv2D(x.shape[-1], 3, padding="same", activation="relu")
    norm = layers.BatchNormalization()
    return layers.MaxPooling2D(2, padding="same")(norm(layer(norm(layer(x)))))


def _nested(rng, x):
    inside = keras.Input((None, None, x.shape[-1]))
    y = layers.Conv2D(4, 3, padding="same")(inside)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    # Of one output in a list Keras makes a list of the call, too.
    return keras.tree.flatten(keras.Model([inside], [layers.Dropout(0.3)(y)])(x))[0]


def _simple(rng, x):
    kinds = [
        lambda: layers.AveragePooling2D(2, padding="valid"),
        lambda: layers.DepthwiseConv2D(3, padding="same"),
        lambda: layers.SeparableConv2D(4, 3, padding="same"),
        lambda: layers.Conv2DTranspose(3, 2, strides=2),
        lambda: layers.UpSampling2D(2),
        lambda: layers.LayerNormalization(),
        lambda: layers.GroupNormalization(1),
        lambda: layers.BatchNormalization(axis=-1, center=False),
        lambda: layers.SpatialDropout2D(0.2),
        lambda: layers.GaussianNoise(0.1),
        lambda: layers.ELU(),
        lambda: layers.Activation("softplus"),
        lambda: layers.Dense(4, activation="relu"),
    ]
    return _choose(rng, kinds)()(x)


_IMAGE_STEPS = (
    _convolution,
    _block,
    _block,
    _residual,
    _excite,
    _operators,
    _shared,
    _nested,
    _simple,
    _simple,
)


def _sequence(rng, x):
    kinds = [
        lambda: layers.LSTM(5)(x),
        lambda: layers.GRU(4)(x),
        lambda: layers.Bidirectional(layers.SimpleRNN(3))(x),
        lambda: layers.LSTM(4)(layers.Dropout(0.2)(layers.Masking()(x))),
        lambda: layers.GRU(3)(layers.Dense(6)(layers.Masking()(x))),
        lambda: layers.Flatten()(layers.Conv1D(4, 3, activation="relu")(x)),
        lambda: layers.GlobalAveragePooling1D()(layers.Conv1D(4, 5, strides=2)(x)),
        lambda: layers.GlobalMaxPooling1D()(layers.MultiHeadAttention(2, 4)(x, x)),
        lambda: layers.GlobalAveragePooling1D()(layers.Attention()([x, x])),
        lambda: layers.Flatten()(layers.TimeDistributed(layers.Dense(3))(x)),
        lambda: layers.Flatten()(layers.BatchNormalization()(layers.Dense(4)(x))),
    ]
    return _choose(rng, kinds)()


def _vector(rng, x):
    for _ in range(int(rng.integers(0, 3))):
        kinds = [
            lambda x: layers.Dense(12, activation=_choose(rng, ACTIVATIONS))(x),
            lambda x: layers.BatchNormalization()(layers.Dense(8, use_bias=False)(x)),
            lambda x: layers.Dropout(0.5)(x),
            lambda x: layers.LayerNormalization()(x),
            lambda x: ops.tanh(x) * 2.0 - 1.0,
            lambda x: layers.Add()([layers.Dense(x.shape[-1])(x), x]),
        ]
        x = _choose(rng, kinds)(x)
    return x
