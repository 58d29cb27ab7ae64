"""The printed and JSON forms of evaluations and comparisons."""

from fmkeras.evaluation.compare import Comparison
from fmkeras.evaluation.evaluate import Evaluation, Temperature
from fmkeras.evaluation.metrics import (
    classification_report,
    most_confused,
    taken_for_shirts,
)
from fmkeras.evaluation.names import shown_names
from fmkeras.labels import CLASS_NAMES

SHOWN_ERRORS = 5


def evaluation_text(evaluation: Evaluation) -> str:
    """Return the classification report, the accuracy and the most confused classes."""
    low, high = evaluation.interval
    lines = [
        classification_report(evaluation.confusion, evaluation.class_names),
        f"Accuracy {evaluation.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}), "
        f"loss {evaluation.loss:.4f}, {evaluation.count:,} images, "
        f"{evaluation.examples_per_second:,.0f} images/s",
    ]
    pairs = most_confused(evaluation.confusion, evaluation.class_names)
    if pairs:
        lines.append("Most confused:")
    for true, predicted, times in pairs:
        lines.append(f"{times:>7,} x {true} taken for {predicted}")
    if evaluation.class_names == CLASS_NAMES:
        shirts, errors = taken_for_shirts(evaluation.confusion)
        if errors:
            lines.append(
                f"{shirts:,} of {errors:,} errors ({shirts / errors:.0%}) are coats, "
                "dresses, pullovers and T-shirts taken for shirts."
            )
    if evaluation.outputs == "logits":
        lines.append("The model outputs logits; softmax was applied.")
    return "\n".join(lines) + "\n"


def details_text(evaluation: Evaluation, temperature: Temperature | None) -> str:
    """Return the calibration and the errors of the highest confidence, as lines.

    `temperature` is None where the model has no validation images.
    """
    bins = evaluation.calibration
    lines = [
        f"Expected calibration error {bins.error:.4f} (mean confidence "
        f"{evaluation.probabilities.max(axis=1).mean():.4f}, {len(bins.counts)} bins)"
    ]
    if temperature is None:
        lines.append(
            "No temperature: the model has no validation images in this data set."
        )
    else:
        lines.append(
            f"At temperature {temperature.value:.3f}, fitted on "
            f"{temperature.fitted_on:,} validation images: error "
            f"{temperature.error:.4f}, loss {temperature.loss:.4f}"
        )
    errors = evaluation.confident_errors(SHOWN_ERRORS)
    if errors:
        lines.append("Errors of the highest confidence:")
    for error in errors:
        lines.append(
            f"  image {error['image']:>5}: {error['true']} taken for "
            f"{error['predicted']} at {error['confidence']:.4f}"
        )
    return "\n".join(lines) + "\n"


def details_content(evaluation: Evaluation, temperature: Temperature | None) -> dict:
    """Return calibration, temperature and the errors of the highest confidence."""
    return {
        "calibration": evaluation.calibration.to_dict(),
        "temperature": None if temperature is None else vars(temperature),
        "confident_errors": evaluation.confident_errors(),
    }


def comparison_text(comparison: Comparison, seeds: list[dict]) -> str:
    """Return the accuracies, pairs, agreement and class differences as tables.

    `seeds` are the rows of `over_seeds`.
    """
    shown = shown_names(comparison.names)
    names = list(shown.values())
    width = max(map(len, names))
    lines = ["", "Accuracy"]
    for name, accuracy in zip(names, comparison.accuracies, strict=True):
        lines.append(f"  {name:<{width}}  {accuracy:.4f}")
    for row in seeds:
        lines.append(
            f"  {row['network']}: {row['mean']:.4f} ± {row['spread']:.4f} (mean and "
            f"sample standard deviation of {row['models']} seeds: {row['recipe']}, "
            f"{row['epochs']} epochs, {row['backend']})"
        )
    lines += ["", "Pairs: difference, its 95 % bootstrap interval; images that only"]
    lines += [
        "one classifies correctly; McNemar's exact p, and after Holm's correction"
    ]
    heads = [f"{shown[p.first]} - {shown[p.second]}" for p in comparison.pairs]
    for head, pair in zip(heads, comparison.pairs, strict=True):
        low, high = pair.interval
        lines.append(
            f"  {head:<{2 * width + 3}}  {pair.difference:+.4f} ({low:+.4f} to "
            f"{high:+.4f})  {pair.only_first:>5} : {pair.only_second:<5}  "
            f"p {pair.p_value:.2g}, {pair.adjusted:.2g}"
        )
    lines += ["", "Agreement: the share of images with the same prediction"]
    lines += [f"  {'':<{width}}  " + "  ".join(f"{name:>5}" for name in names)]
    for name, row in zip(names, comparison.agreement, strict=True):
        cells = zip(names, row, strict=True)
        shares = "  ".join(f"{v:>{max(len(n), 5)}.3f}" for n, v in cells)
        lines.append(f"  {name:<{width}}  {shares}")
    lines += ["", "Recall, class by class: the first minus the second"]
    classes = comparison.pairs[0].class_names
    width = max(map(len, classes))
    lines.append(f"  {'':<{width}}  " + "  ".join(f"{head:>6}" for head in heads))
    for number, name in enumerate(classes):
        pairs = zip(heads, comparison.pairs, strict=True)
        cells = (f"{p.recalls[number]:>+{max(len(h), 6)}.3f}" for h, p in pairs)
        lines.append(f"  {name:<{width}}  " + "  ".join(cells))
    return "\n".join(lines) + "\n"


def summary_text(contents: list[dict]) -> str:
    """Return a line per model: accuracy, interval, loss and calibration error."""
    shown = shown_names(content["model"] for content in contents)
    width = max(map(len, ("model", *shown.values())))
    lines = [
        f"{'model':<{width}}  accuracy  {'95 % interval':<16}  {'loss':<6}  "
        "calibration error"
    ]
    for content in contents:
        low, high = content["accuracy_interval_95"]
        error = content["calibration"]["expected_calibration_error"]
        lines.append(
            f"{shown[content['model']]:<{width}}  {content['accuracy']:>8.4f}  "
            f"{low:.4f} to {high:.4f}  {content['loss']:.4f}  {error:>17.4f}"
        )
    return "\n".join(lines) + "\n"
