"""Precision, recall and F1 of each class, in the logs of every epoch."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from fmkeras.errors import UserError
from fmkeras.evaluation.confusion import ConfusionMatrix
from fmkeras.evaluation.html import per_class_html
from fmkeras.evaluation.metrics import (
    MEANS,
    classification_report,
    mean_rates,
    per_class,
)
from fmkeras.files import write_csv

COLUMNS = ("epoch", "class", "precision", "recall", "f1", "support")
RATES = ("precision", "recall", "f1")


class PerClassMetrics(keras.callbacks.Callback):
    """Adds the figures of each class to the logs of every epoch.

    They are `precision/NAME`, `recall/NAME` and `f1/NAME` of each class, and of
    `macro` and `weighted`, the plain mean of the classes and that by their support;
    those of the validation images begin with `val_`. All equal scikit-learn's, with
    0 where a division by zero would be. They come from a `ConfusionMatrix` that the
    model counts in its own step, so no image is looked at twice:

        model.compile(..., metrics=["accuracy", fmkeras.ConfusionMatrix(10)])
        model.fit(..., callbacks=[
            fmkeras.PerClassMetrics(names),
            keras.callbacks.EarlyStopping("val_f1/Shirt", mode="max"),
        ])

    It stands before the callbacks that read its figures: Keras calls them in the
    order of the list.

    Args:
        class_names: one a class; their numbers if None.
        csv_path: a file that gets a row an epoch and class, of the validation
            images (of the epochs that have them, with `validation_freq`), or of the
            training images where there are none; it is written anew after each epoch,
            whole.
        verbose: 1 prints scikit-learn's table at the end of training and of an
            evaluation, 2 after each epoch too, 0 never.
        metric: the `ConfusionMatrix` to read, where it is not one of the model's.

    Attributes:
        matrix: the counts read last, (classes, classes); rows are true classes.
        rows: the rows of the CSV file.
    """

    def __init__(
        self,
        class_names: Sequence[str] | None = None,
        csv_path: str | Path | None = None,
        verbose: int = 0,
        metric: ConfusionMatrix | None = None,
    ) -> None:
        super().__init__()
        names = None if class_names is None else [str(name) for name in class_names]
        if names and len(set(names)) < len(names):
            raise ValueError(f"Expected class names that differ. Received: {names}")
        if taken := set(names or ()) & set(MEANS):
            raise UserError(
                f"The means over the classes have the names {' and '.join(MEANS)}; "
                f"expected other class names. Received: {', '.join(sorted(taken))}"
            )
        self.class_names = names
        self.csv_path = csv_path
        self.verbose = verbose
        self.metric = metric
        self.matrix: np.ndarray | None = None
        self.rows: list[dict] = []
        self._in_epoch = False
        # The last counts on validation images in this training, and its first row.
        self._kept: np.ndarray | None = None
        self._first_row = 0
        self._trained: np.ndarray | None = None
        self._validated: np.ndarray | None = None

    def on_train_begin(self, logs=None):
        self._kept, self._first_row = None, len(self.rows)

    def on_epoch_begin(self, epoch, logs=None):
        self._in_epoch = True
        self._trained = self._validated = None

    def on_test_begin(self, logs=None):
        # Keras sets the metrics to zero after this, before it validates.
        if self._in_epoch:
            self._trained = self._read()

    def on_test_end(self, logs=None):
        self.matrix = self._validated = self._read()
        if not self._in_epoch:
            logs.update(self._figures(self.matrix))
            self._print(1)

    def on_epoch_end(self, epoch, logs=None):
        self._in_epoch = False
        trained = self._read() if self._trained is None else self._trained
        logs.update(self._figures(trained))
        self.matrix = trained
        if self._validated is not None:
            if self._kept is None:
                # Rows of before are of the training images.
                del self.rows[self._first_row :]
            self.matrix = self._kept = self._validated
            logs.update(self._figures(self.matrix, "val_"))
        elif self._kept is not None:
            # An epoch without validation, by `validation_freq`.
            self.matrix = self._kept
            return
        self.rows += class_rows(epoch + 1, self.matrix, self.names(self.matrix))
        if self.csv_path is not None:
            write_csv(self.csv_path, self.rows)
        self._print(2)

    def on_train_end(self, logs=None):
        if self.verbose == 1 and self.matrix is not None:
            self._print(1)

    def report(self) -> str:
        """Return scikit-learn's table of the counts read last."""
        if self.matrix is None:
            raise ValueError("Nothing was counted yet: train or evaluate first.")
        return classification_report(self.matrix, self.names(self.matrix))

    def _repr_html_(self) -> str:
        if self.matrix is None:
            return "<p>Nothing is counted yet.</p>"
        return per_class_html(self.matrix, self.names(self.matrix))

    def _print(self, least: int) -> None:
        if self.verbose >= least:
            print(self.report(), flush=True)

    def _read(self) -> np.ndarray:
        metric = self.metric or find_confusion_matrix(self.model)
        if metric is None:
            raise ValueError(
                "PerClassMetrics reads a ConfusionMatrix that the model counts; "
                "expected one in "
                "model.compile(metrics=[fmkeras.ConfusionMatrix(num_classes)]). "
                f"Received: metrics {[m.name for m in self.model.metrics]}"
            )
        return metric.matrix()

    def names(self, matrix: np.ndarray) -> list[str]:
        """Return the names of a matrix's classes, or else their numbers."""
        names = self.class_names or [str(number) for number in range(len(matrix))]
        if len(names) != len(matrix):
            raise ValueError(
                f"Expected {len(matrix)} class names, as the ConfusionMatrix has "
                f"classes. Received: {len(names)}"
            )
        return names

    def _figures(self, matrix: np.ndarray, prefix: str = "") -> dict[str, float]:
        rates, figures = per_class(matrix), {}
        means = mean_rates(matrix)
        names = self.names(matrix)
        for rate in RATES:
            values = getattr(rates, rate).tolist()
            for name, value in zip(names, values, strict=True):
                figures[f"{prefix}{rate}/{name}"] = value
            for kind, mean in means.items():
                figures[f"{prefix}{rate}/{kind}"] = mean[rate]
        return figures


def find_confusion_matrix(model: keras.Model) -> ConfusionMatrix | None:
    """Return the first `ConfusionMatrix` among a compiled model's metrics."""
    for metric in model.metrics:
        # Keras holds the metrics of `compile` in one that has them all.
        for inner in (metric, *getattr(metric, "metrics", ())):
            if isinstance(inner, ConfusionMatrix):
                return inner
    return None


def class_rows(epoch: int, matrix: np.ndarray, names: Sequence[str]) -> list[dict]:
    """Return one row a class, with the keys `COLUMNS`."""
    figures = per_class(matrix)
    columns = (figures.precision, figures.recall, figures.f1, figures.support)
    values = zip(names, *(column.tolist() for column in columns), strict=True)
    return [dict(zip(COLUMNS, (epoch, *v), strict=True)) for v in values]
