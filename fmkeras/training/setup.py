"""What a training is made of, built before its folder is: images, engine, settings."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import keras

from fmkeras import seeds
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits
from fmkeras.engines import Engine, create_engine
from fmkeras.engines.device import device_kind, num_threads
from fmkeras.engines.memory import check_batch
from fmkeras.engines.parallel import Processes
from fmkeras.files import check_room, make_folder
from fmkeras.provenance import provenance
from fmkeras.recipes import Recipe
from fmkeras.training.auto import Execution
from fmkeras.training.builders import (
    build_augmentation,
    build_class_weights,
    build_gradient_rules,
    build_loss,
    build_network,
    build_optimizer,
)
from fmkeras.training.record import describe_dataset, describe_run
from fmkeras.training.start import is_model_file, start_from
from fmkeras.training.teacher import build_teacher, describe_teacher

# For logs, curves and TensorBoard.
SPARE_BYTES = 10_000_000


@dataclass(frozen=True)
class Setup:
    """A training that can begin.

    Attributes:
        recipe: every choice of the run.
        split: its images.
        execution: precision, compilation and device.
        engine: holds the model, the optimizer and the loss.
        config: the settings, as config.json has them.
        facts: versions, commit and time (see `provenance`).
    """

    recipe: Recipe
    split: DataSplits
    execution: Execution
    engine: Engine
    config: dict
    facts: dict

    @property
    def model(self) -> keras.Model:
        """The model that is trained."""
        return self.engine.model

    @property
    def environment(self) -> dict:
        """What may change figures in their last digits, kept beside the settings."""
        return {
            "threads": num_threads(),
            "device": self.execution.device,
            "devices": self.engine.processes.count,
            "versions": self.facts["versions"],
            "commit": self.facts["commit"],
        }

    def check_resources(self, folder: Path) -> None:
        """Raise `UserError` where memory, or the disk of `folder`, is too small."""
        if device_kind() == "cpu":
            batch = min(self.recipe.batch_size, len(self.split.train))
            own = self.engine.processes.share(batch)
            check_batch(self.model, own.stop - own.start, self.execution.precision)
        variables = [v for group in self.engine.variables() for v in group]
        size = 4 * sum(math.prod(variable.shape) for variable in variables)
        # Two checkpoints and the next one, each with the weights it keeps, and the
        # model.
        check_room(make_folder(folder.parent), 5 * size + SPARE_BYTES)

    def describe(self, history: list[dict], kept_epoch: int) -> dict:
        """Return the record of the run; the arguments are those of `describe_run`."""
        return describe_run(
            self.config, self.execution, self.model, history, kept_epoch, self.facts
        )


def prepare(
    model_name: str,
    recipe: Recipe,
    dataset: Dataset,
    execution: Execution,
    processes: Processes,
    *,
    split: DataSplits,
    seed: int,
    model_options: dict,
    init_from: str | Path | None = None,
    freeze: str | None = None,
) -> Setup:
    """Build the model and engine of a training; the arguments are those of `fit`.

    `split` is that of the recipe's `data_split`.
    """
    model = build_network(
        model_name,
        recipe,
        execution.precision,
        seed,
        model_options,
        dataset.num_classes,
    )
    start = start_from(model, init_from, freeze, dataset.class_names)
    engine = create_engine(
        model,
        build_optimizer(recipe, -(-len(split.train) // recipe.batch_size), model),
        build_loss(recipe),
        l2=recipe.l2,
        augmentation=build_augmentation(recipe),
        compile_step=execution.compile,
        gradient_rules=build_gradient_rules(recipe),
        teacher=build_teacher(recipe, execution.precision, dataset),
        class_weights=build_class_weights(
            recipe, split.train.labels, dataset.num_classes
        ),
        processes=processes,
    )
    config = {
        "model": model_name,
        "options": model_options,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "streams": seeds.VERSION,
        "backend": keras.backend.backend(),
        "precision": execution.precision,
        "compiled": execution.compile,
        "dataset": describe_dataset(dataset, split),
        **({"start": start} if start else {}),
        **_describe_files(model_name, recipe),
    }
    return Setup(recipe, split, execution, engine, config, provenance())


def _describe_files(model_name: str, recipe: Recipe) -> dict:
    """Return what the settings say of the files that give teacher or architecture."""
    facts = {}
    if recipe.teacher:
        facts["teacher"] = describe_teacher(recipe.teacher)
    if is_model_file(model_name):
        path = Path(model_name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        facts["architecture"] = {"file": path.name, "sha256": digest}
    return facts
