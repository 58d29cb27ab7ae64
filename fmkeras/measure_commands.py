"""The commands that use trained models: evaluate, compare, predict."""

import sys
from pathlib import Path

from fmkeras.command_parts import (
    expand_patterns,
    import_keras,
    load_data,
    print_device,
    split_words,
)
from fmkeras.errors import UserError
from fmkeras.files import write_json


def evaluate(options) -> None:
    """Measure one model or several on the test images."""
    dataset = load_data(options)
    names = _names(options.model, options, dataset)
    if len(names) > 1 and (options.figure or options.reliability):
        raise UserError(
            "A picture is of one model; give one, or leave the picture out. "
            f"Received: {len(names)} models"
        )
    print_device()
    contents = []
    for name in names:
        contents.append(_evaluate_one(name, dataset, options))
    if len(names) > 1:
        print(_summary(contents))
    if options.json:
        write_json(options.json, contents[0] if len(names) == 1 else contents)
        print(f"Figures: {options.json}")


def _evaluate_one(name: str, dataset, options) -> dict:
    from fmkeras.artifacts import load_artifact
    from fmkeras.engines import predict
    from fmkeras.evaluation import evaluate_model
    from fmkeras.report.text import details_content, details_text

    model = load_artifact(name, options.models_dir)
    evaluation = evaluate_model(model, dataset.x_test, dataset.y_test, predict)
    title = f"{Path(name).stem} on {len(dataset.y_test):,} test images"
    print(f"{title} of {dataset.name}")
    print(evaluation.to_text())
    temperature = _fit_temperature(evaluation, model, name, dataset, options.models_dir)
    print(details_text(evaluation, temperature))
    if options.figure:
        from fmkeras.report.figures import plot_confusion_matrix

        plot_confusion_matrix(evaluation.confusion, options.figure, title)
        print(f"Picture: {options.figure}")
    if options.reliability:
        from fmkeras.report.charts import plot_reliability

        plot_reliability(evaluation.calibration, options.reliability, title)
        print(f"Picture: {options.reliability}")
    source = {"model": name, "dataset": dataset.name}
    return source | evaluation.to_dict() | details_content(evaluation, temperature)


def _fit_temperature(evaluation, model, name: str, dataset, models_dir: str):
    from fmkeras.engines import predict
    from fmkeras.evaluation import evaluate_model, fit_on_validation
    from fmkeras.trained import card_of, held_back

    part = held_back(card_of(name, models_dir), dataset)
    if part is None:
        return None
    seen = evaluate_model(model, part.images, part.labels, predict)
    return fit_on_validation(evaluation, seen.probabilities, part.labels)


def compare(options) -> None:
    """Compare models on the same test images."""
    dataset = load_data(options)
    names = _names(options.models, options, dataset)
    print_device()
    from fmkeras.artifacts import load_artifact
    from fmkeras.comparison import compare as compare_predictions
    from fmkeras.comparison import over_seeds
    from fmkeras.engines import predict
    from fmkeras.report.text import comparison_text
    from fmkeras.trained import card_of

    predictions = {
        name: predict(load_artifact(name, options.models_dir), dataset.x_test).argmax(1)
        for name in names
    }
    comparison = compare_predictions(predictions, dataset.y_test)
    accuracies = dict(zip(comparison.names, comparison.accuracies, strict=True))
    networks = {
        name: card_of(name, options.models_dir).get("model", name)
        for name in accuracies
    }
    seeds = over_seeds(networks, accuracies)
    print(
        f"{len(names)} models on {len(dataset.y_test):,} test images of {dataset.name}"
    )
    print(comparison_text(comparison, seeds))
    if options.json:
        content = comparison.to_dict() | {"over_seeds": seeds, "dataset": dataset.name}
        write_json(options.json, content)
        print(f"Figures: {options.json}")


def predict(options) -> None:
    """Say what is on a person's own pictures."""
    from fmkeras.prediction import (
        find_pictures,
        keep_what_was_seen,
        predict_pictures,
        read_all,
        write_predictions,
    )

    words = expand_patterns(split_words(options.pictures))
    folders = [word for word in words if Path(word).is_dir()]

    def skip(error: UserError) -> None:
        print(f"left out: {error}", file=sys.stderr)

    # In a folder, which may hold anything, what is no picture is passed over.
    pictures = read_all(find_pictures(words), skip if folders else None)
    if not pictures:
        raise UserError(
            "None of the files can be read as a picture; see above. "
            f"Received: {', '.join(words)}"
        )
    print_device()
    from fmkeras.artifacts import load_artifact
    from fmkeras.engines import predict as run_model

    model = load_artifact(options.model, options.models_dir)
    predictions = predict_pictures(model, pictures, run_model)
    for prediction in predictions:
        print(prediction.to_text())
    keep_what_was_seen(predictions, options.out)
    print(f"What the model saw: {options.out}/*-28x28.png")
    if folders or options.csv:
        path = options.csv or Path(options.out) / "predictions.csv"
        write_predictions(predictions, path)
        print(f"Table: {path}")


def _names(words, options, dataset) -> list[str]:
    # Opening a card needs keras; its notes come before the line about the device.
    import_keras()
    from fmkeras.trained import find_models

    return find_models(split_words(words), options.models_dir, dataset.name)


def _summary(contents: list[dict]) -> str:
    lines = [f"{'model':<24}  accuracy  95 % interval      loss   calibration error"]
    for content in contents:
        low, high = content["accuracy_interval_95"]
        error = content["calibration"]["expected_calibration_error"]
        lines.append(
            f"{Path(content['model']).stem:<24}    {content['accuracy']:.4f}  "
            f"{low:.4f} to {high:.4f}  {content['loss']:.4f}  {error:>18.4f}"
        )
    return "\n".join(lines) + "\n"
