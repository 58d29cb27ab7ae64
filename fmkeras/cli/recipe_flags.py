"""The flags of a recipe: one for each field, described as the class describes it."""

import argparse
import dataclasses
import inspect
import re

from fmkeras.cli import flags
from fmkeras.recipes import CHOICES, OPTIMIZERS, PUBLISHED, Recipe

# The epochs of --early-stopping without a number.
PATIENCE = 5
# The short names that the Makefile uses.
ALIASES = {"batch_size": ["--batch"], "learning_rate": ["--lr"]}


def add_recipe(parser) -> None:
    """Declare --recipe, and a flag for each field that it may change."""
    recipe = parser.add_argument_group(
        "recipe",
        "How the network is trained. Each flag overrides a field of the recipe.",
    )
    recipe.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        help="default (this project's own), published (that of its source), one "
        f"of {', '.join(PUBLISHED)}, or a .json file such as a run's config.json",
    )
    texts = _field_texts()
    for field in dataclasses.fields(Recipe):
        if field.name != "name":
            _add_field(recipe, field, texts.get(field.name))


def given_fields(args) -> dict:
    """Return the fields of the recipe whose flags were given."""
    names = [field.name for field in dataclasses.fields(Recipe)]
    given = {name: getattr(args, name, None) for name in names if name != "name"}
    return {name: value for name, value in given.items() if value is not None}


def _add_field(group, field: dataclasses.Field, text: str | None) -> None:
    flag = "--" + field.name.replace("_", "-")
    if field.type is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        return
    if field.name == "early_stopping":
        group.add_argument(
            flag,
            dest=field.name,
            type=flags.whole_number,
            nargs="?",
            const=PATIENCE,
            metavar="N",
            help=f"{text} (without a number: {PATIENCE})",
        )
        return
    choices = OPTIMIZERS if field.name == "optimizer" else CHOICES.get(field.name)
    kind, metavar = {int: (flags.whole_number, "N"), float: (flags.number, "X")}.get(
        field.type, (str, "|".join(choices or ["NAME"]))
    )
    group.add_argument(
        flag,
        *ALIASES.get(field.name, []),
        dest=field.name,
        type=kind,
        metavar=metavar,
        help=text,
    )


def _field_texts() -> dict[str, str]:
    """Return each field's description in the docstring of `Recipe`."""
    attributes = inspect.getdoc(Recipe).partition("Attributes:")[2]
    texts = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE)
    return {
        name: " ".join(text.split()).rstrip(".").replace("`", "").replace("%", "%%")
        for name, text in texts
    }
