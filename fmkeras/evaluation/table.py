"""The figures of evaluations and comparisons as rows of a CSV file."""

from collections.abc import Iterable

from fmkeras.evaluation.compare import Comparison
from fmkeras.evaluation.names import shown_names

ALL = "all"


def evaluation_rows(contents: Iterable[dict]) -> list[dict]:
    """Return a row a class of each model, and one of all its images.

    `contents` are those of the JSON file. Precision, recall and F1 of all are the
    plain means of the classes'.
    """
    contents, rows = list(contents), []
    shown = shown_names(content["model"] for content in contents)
    for content in contents:
        head = {"model": shown[content["model"]], "dataset": content["dataset"]}
        low, high = content["accuracy_interval_95"]
        rates = ("precision", "recall", "f1")
        classes = content["per_class"]
        means = {
            rate: sum(figures[rate] for figures in classes.values()) / len(classes)
            for rate in rates
        }
        support = sum(figures["support"] for figures in classes.values())
        rows.append(
            head
            | {"class": ALL, **means, "support": support}
            | {"accuracy": content["accuracy"], "accuracy_low": low}
            | {"accuracy_high": high, "loss": content["loss"]}
        )
        nothing = dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high", "loss"))
        for name, figures in classes.items():
            own = {rate: figures[rate] for rate in (*rates, "support")}
            rows.append(head | {"class": name, **own, **nothing})
    return rows


def comparison_rows(comparison: Comparison) -> list[dict]:
    """Return a row a pair of models: their accuracies, the difference, its tests."""
    accuracies = dict(zip(comparison.names, comparison.accuracies, strict=True))
    shown = shown_names(comparison.names)
    return [
        {
            "first": shown[pair.first],
            "second": shown[pair.second],
            "accuracy_first": accuracies[pair.first],
            "accuracy_second": accuracies[pair.second],
            "difference": pair.difference,
            "difference_low": pair.interval[0],
            "difference_high": pair.interval[1],
            "only_first": pair.only_first,
            "only_second": pair.only_second,
            "p_value": pair.p_value,
            "p_value_holm": pair.adjusted,
        }
        for pair in comparison.pairs
    ]
