"""The commands that look into trained models and the data: audit, report."""

from fmkeras.command_parts import load_data, print_device
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
