"""The commands that look into trained models and the data: audit, report."""

from fmkeras.command_parts import load_data, print_device, split_words
from fmkeras.recipes import find_recipe


def audit(options) -> None:
    """List the labels that are likely wrong, and images that stand in both parts."""
    from fmkeras.models import model_info

    model_info(options.model)
    recipe = find_recipe("default", options.model).replace(epochs=options.epochs)
    dataset = load_data(options)
    print_device()
    from fmkeras.audit import RESULT, audit_text
    from fmkeras.audit import audit as run_audit

    result = run_audit(
        dataset,
        options.model,
        recipe,
        folder=options.out,
        folds=options.folds,
        seed=options.seed,
    )
    print(audit_text(result))
    print(f"Audit: {options.out}/{RESULT} (make report shows it with its pictures)")


def report(options) -> None:
    """Write pages about trained nets, or about one run."""
    dataset = load_data(options)
    print_device()
    from fmkeras.engines.device import describe_device
    from fmkeras.report.build import report_on_run, report_on_saved
    from fmkeras.trained import find_models

    if options.run_folder:
        out = options.out or f"{options.run_folder}/report"
        page = report_on_run(options.run_folder, dataset, out=out, image=options.image)
    else:
        names = split_words(options.models)
        page = report_on_saved(
            find_models(names, options.models_dir, dataset.name),
            dataset,
            models_dir=options.models_dir,
            out=options.out or "runs/report",
            runs=options.runs,
            audit=options.audit,
            image=options.image,
            device=describe_device(),
        )
    print(f"Report: {page} (open it in a browser)")
