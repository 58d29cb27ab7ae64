"""A confusion matrix as a Keras metric: counted inside the compiled step."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="fmkeras")
class ConfusionMatrix(keras.metrics.Metric):
    """Counts how often each true class is taken for each other one.

    The counting is part of the training and evaluation step, on every backend,
    eagerly and compiled, so that per-class figures cost no second pass over the
    images; `fmkeras.PerClassMetrics` reads them at the end of an epoch. Keras logs
    scalars, so `result()` is one: the mean of the classes' F1. The counts are
    `matrix()`.

    True labels are integers, (n,) or (n, 1), or one row a label, (n, classes), of
    which the largest entry counts. Predictions are logits or probabilities,
    (n, classes); for two classes (n, 1) too, where the second class is what exceeds
    `threshold`. Further axes before the last are taken as further samples. A label
    outside 0 to classes - 1 is not counted.

    As every Keras metric it is given sample weights where it stands in
    `weighted_metrics`: `model.compile(weighted_metrics=[ConfusionMatrix(10)])`. Counts
    without weights are exact; sums of weights are float32.

    Args:
        num_classes: 2 or more.
        threshold: of predictions with one column; 0.5 suits a sigmoid, 0 logits.
        name: under which `result()` is logged.
        dtype: of `result()`.

    Raises:
        ValueError: `num_classes` is below 2, or predictions have other columns.
    """

    def __init__(self, num_classes, threshold=0.5, name="macro_f1", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if num_classes < 2:
            raise ValueError(
                f"`num_classes` must be 2 or more. Received: {num_classes=}"
            )
        self.num_classes = num_classes
        self.threshold = threshold
        shape = (num_classes, num_classes)
        # Apart: float32 would stop counting at 2 ** 24.
        self._counts = self.add_variable(shape, "zeros", dtype="int", name="counts")
        self._weights = self.add_variable(
            shape, "zeros", dtype="float32", name="weights"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count the labels `y_true` against the predictions `y_pred`."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        predicted = self._predicted(y_pred)
        columned = len(y_true.shape) == len(y_pred.shape)
        if columned and y_true.shape[-1] == self.num_classes:
            y_true = ops.argmax(y_true, axis=-1)
        # Comparing, unlike a backend's `one_hot`, counts no label out of range.
        classes = ops.arange(self.num_classes, dtype="int32")
        rows, columns = (
            ops.cast(ops.reshape(ops.cast(x, "int32"), (-1, 1)) == classes, "float32")
            for x in (y_true, predicted)
        )
        if sample_weight is None:
            # Exact: a batch holds less than 2 ** 24 samples.
            counts = ops.matmul(ops.transpose(rows), columns)
            self._counts.assign_add(ops.cast(counts, self._counts.dtype))
            return
        weights = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
        while len(weights.shape) < len(predicted.shape):
            weights = ops.expand_dims(weights, -1)
        if len(weights.shape) > len(predicted.shape):
            weights = ops.squeeze(weights, -1)
        weights = ops.broadcast_to(weights, ops.shape(predicted))
        rows = rows * ops.reshape(weights, (-1, 1))
        self._weights.assign_add(ops.matmul(ops.transpose(rows), columns))

    def _predicted(self, y_pred):
        columns = y_pred.shape[-1]
        if columns == 1 and self.num_classes == 2:
            return y_pred[..., 0] > self.threshold
        if columns != self.num_classes:
            raise ValueError(
                f"Expected predictions with {self.num_classes} columns, one a class. "
                f"Received: shape {tuple(y_pred.shape)}"
            )
        return ops.argmax(y_pred, axis=-1)

    def result(self):
        """Return the mean of the classes' F1; a class never seen counts as 0."""
        matrix = ops.cast(self._counts, "float32") + self._weights
        hits = 2 * ops.diagonal(matrix)
        sums = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1)
        f1 = ops.where(sums > 0, hits / ops.where(sums > 0, sums, 1.0), 0.0)
        return ops.cast(ops.mean(f1), self.dtype)

    def matrix(self) -> np.ndarray:
        """Return the counts so far, (classes, classes); rows are true.

        int64; float64 sums of weights where samples came with weights.
        """
        counts = np.asarray(ops.convert_to_numpy(self._counts), np.int64)
        weights = np.asarray(ops.convert_to_numpy(self._weights), np.float64)
        return counts + weights if weights.any() else counts

    def set_matrix(self, matrix: np.ndarray) -> None:
        """Let the counts so far be these, int (classes, classes)."""
        self.reset_state()
        self._counts.assign(matrix)

    def get_config(self):
        return super().get_config() | {
            "num_classes": self.num_classes,
            "threshold": self.threshold,
        }
