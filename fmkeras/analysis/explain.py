"""Explanations of a trained model: Grad-CAM, saliency, filters, feature maps."""

import keras
import numpy as np
from keras import layers

from fmkeras.engines.gradients import input_gradients
from fmkeras.keras_internals import first_calls

# Layers that keep the spatial layout of a feature map, or make it coarser.
_POOLING = (layers.MaxPooling2D, layers.AveragePooling2D, layers.Dropout)
_COLLAPSING = (layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)


def grad_cam(
    model: keras.Model, images: np.ndarray, classes: np.ndarray
) -> np.ndarray | None:
    """Return the Grad-CAM heat map of a class, float32 (n, h, w) from 0 to 1.

    h and w are those of the last feature maps before they are pooled or flattened;
    None for a model without them, such as one of dense layers. `images` are uint8
    (n, 28, 28), `classes` integers (n,). After Selvaraju et al., 'Grad-CAM' (2017).
    """
    maps = last_maps(model)
    if maps is None:
        return None
    features = keras.Model(model.inputs[0], maps)
    head = keras.Model(maps, _scores(model))
    values = _run(features, _as_input(model, images))
    gradients = input_gradients(head, values, classes)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    return _to_unit(np.maximum((weights * values).sum(axis=-1), 0))


def saliency(model: keras.Model, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the saliency of each pixel for a class, float32 (n, 28, 28), 0 to 1.

    The absolute gradient of the class score with respect to the pixel (Simonyan et
    al., 2014).
    """
    scores = keras.Model(model.inputs[0], _scores(model))
    gradients = input_gradients(scores, _as_input(model, images), classes)
    return _to_unit(np.abs(gradients).reshape(images.shape))


def first_filters(model: keras.Model) -> tuple[str, np.ndarray] | None:
    """Return the first layer's name and filters, float32 (filters, h, w).

    Convolution kernels of one channel, or the weights of a dense layer that sees the
    28 x 28 pixels themselves. None where the first weights are of another form.
    """
    for layer in first_calls(model):
        if isinstance(layer, layers.Conv2D) and layer.kernel.shape[2] == 1:
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            return layer.name, np.moveaxis(kernel[:, :, 0], -1, 0)
        if isinstance(layer, layers.Dense) and layer.kernel.shape[0] == 28 * 28:
            kernel = keras.ops.convert_to_numpy(layer.kernel)
            return layer.name, np.moveaxis(kernel.reshape(28, 28, -1), -1, 0)
        own = isinstance(layer, layers.Layer) and layer.trainable_weights
        if own and not isinstance(layer, layers.BatchNormalization):
            return None
    return None


def feature_maps(
    model: keras.Model, image: np.ndarray
) -> tuple[str, np.ndarray] | None:
    """Return the first convolution's name and its feature maps of an image.

    `image` is uint8 (28, 28); the maps are float32 (maps, h, w). None for a model
    without a convolution.
    """
    for layer in first_calls(model):
        if isinstance(layer, layers.Conv2D):
            outputs = first_calls(model)[layer].outputs
            part = keras.Model(model.inputs[0], outputs[0])
            maps = _run(part, _as_input(model, image[None]))[0]
            return layer.name, np.moveaxis(maps, -1, 0)
    return None


def last_maps(model: keras.Model):
    """Return the last feature maps, before pooling and flattening; None without any."""
    calls = first_calls(model)
    if not any(isinstance(layer, layers.Conv2D) for layer in calls):
        return None
    made_by = {id(x): layer for layer, call in calls.items() for x in call.outputs}
    collapsing = [layer for layer in calls if isinstance(layer, _COLLAPSING)]
    if not collapsing:
        return None
    maps = calls[collapsing[-1]].inputs[0]
    while isinstance(layer := made_by.get(id(maps)), _POOLING):
        maps = calls[layer].inputs[0]
    return maps if len(maps.shape) == 4 else None


def _scores(model: keras.Model):
    """Return the logits before a final softmax, or else the model's output."""
    scores = model.outputs[0]
    for layer, call in first_calls(model).items():
        if isinstance(layer, layers.Softmax) and call.outputs[0] is scores:
            return call.inputs[0]
    return scores


def _as_input(model: keras.Model, images: np.ndarray) -> np.ndarray:
    shape = (len(images), *images.shape[1:3], 1)[: len(model.inputs[0].shape)]
    return images.reshape(shape).astype(np.float32)


def _run(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(model(inputs, training=False)))


def _to_unit(maps: np.ndarray) -> np.ndarray:
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
