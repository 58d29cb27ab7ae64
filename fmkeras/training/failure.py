"""What a training that fails leaves: its best weights as a model, and what to do."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fmkeras.artifacts.keras_file import save_artifact
from fmkeras.errors import UserError
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.run_dir import has_checkpoint, kept_text, resume_text


def with_kept_model(
    error: UserError,
    checkpoint: Checkpoint,
    name: str,
    class_names: Sequence[str],
    describe: Callable[[], dict],
) -> UserError:
    """Return the error with where the weights of the best epoch until then lie.

    They are saved in the folder of the run, under `name`, with the card that `describe`
    returns. The error is as it was where no epoch had ended.
    """
    if not checkpoint.kept_weights:
        return error
    model = checkpoint.engine.model
    model.set_weights(checkpoint.kept_weights)
    card = describe() | {"ended": str(error)}
    path = save_artifact(model, name, card, checkpoint.path.parent, class_names)
    return type(error)(f"{error} {kept_text(path, checkpoint.kept_epoch)}")


@contextlib.contextmanager
def told_of_room(folder: Path) -> Iterator[None]:
    """Raise `UserError`, with how to go on, where the run's files cannot be written."""
    try:
        yield
    except BrokenPipeError:
        # Nobody reads the output any more.
        raise
    except OSError as error:
        advice = "start it anew"
        if has_checkpoint(folder):
            advice = resume_text(folder)
        raise UserError(
            f"The run in '{folder}' cannot be written ({error.strerror or error}); "
            f"expected a folder with room, of this user: make some, then {advice}"
        ) from error
