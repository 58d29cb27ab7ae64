"""A run's model as `saved_models` keeps it: small enough for a repository."""

from pathlib import Path

import keras

from fmkeras.artifacts import keras_file
from fmkeras.artifacts.rounding import fewest_bits, round_weights
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import split_dataset
from fmkeras.engines import predict
from fmkeras.evaluation.evaluate import evaluate_model
from fmkeras.training.replace import is_card_alone

# All networks together stay under 60 MB: files up to this size are kept as they are.
EXACT_UP_TO = 3_000_000
FOLDER = "compact"


def compact_model(
    model: keras.Model, record: dict, dataset: Dataset, kept: Path
) -> Path:
    """Write a run's model with rounded weights into the folder of the run.

    Args:
        model: gives logits; it has the kept weights.
        record: of the run; its figures on the test images are measured anew.
        dataset: what it was trained on.
        kept: the exact `.keras` file, in the folder of the run.

    Returns the path of the smaller file, or `kept` where that is small enough, or so
    large that no file of it is stored (see `is_card_alone`). How many bits are kept is
    chosen on the validation images of the run, or, where it has none, on those that
    `holdout` sets aside; the card says what it cost there, and whether the model was
    trained on them.
    """
    size = kept.stat().st_size
    if size <= EXACT_UP_TO or is_card_alone(size):
        return kept
    seed, streams = record["seed"], record["streams"]
    split = split_dataset(dataset, seed, record["recipe"]["data_split"], streams)
    images = split.validation
    if images is None:
        images = split_dataset(dataset, seed, "holdout", streams).validation
    exact = [weight.copy() for weight in model.get_weights()]

    def accuracy(weights) -> float:
        model.set_weights(weights)
        outputs = predict(model, images.images)
        return float((outputs.argmax(axis=1) == images.labels).mean())

    bits, before, after = fewest_bits(exact, accuracy)
    model.set_weights(round_weights(exact, bits))
    try:
        evaluation = evaluate_model(
            keras_file.to_inference_model(model),
            split.test.images,
            split.test.labels,
            predict,
            dataset.class_names,
        )
        facts = {
            "significant_bits": bits,
            "bytes_before": size,
            "images": len(images.labels),
            "accuracy_before": before,
            "accuracy": after,
            "trained_on": split.validation is None,
            "test_accuracy_before": record["test"]["accuracy"],
        }
        card = {**record, "test": evaluation.to_dict(), "rounding": facts}
        return keras_file.save_artifact(
            model,
            kept.stem,
            card,
            kept.parent / FOLDER,
            dataset.class_names,
            compress=True,
        )
    finally:
        model.set_weights(exact)
