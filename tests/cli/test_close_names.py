"""Names that are close to a known one: the message asks whether that was meant."""

import pytest

from fmkeras.backends import set_backend
from fmkeras.datasets import load_dataset
from fmkeras.errors import UserError, did_you_mean
from fmkeras.experiments.reproduce import _published_recipe
from fmkeras.experiments.studies import find_study
from fmkeras.export.formats import find_format
from fmkeras.models import model_info
from fmkeras.recipes import find_recipe
from fmkeras.training.trackers import check_trackers
from tuner.settings import SEARCHES, _check
from tuner.spaces.files import find_space

LOOKED_UP = {
    "fashion-mnist": lambda: load_dataset("fashon-mnist"),
    "lenet": lambda: model_info("lenett"),
    "default": lambda: find_recipe("defalt", "lenet"),
    "fashionnet": lambda: _published_recipe("fashionnet", "fashionet"),
    "default-lenet": lambda: find_study("defalt-lenet"),
    "onnx": lambda: find_format("onxx"),
    "wide": lambda: find_space("wid", "mlp"),
    "bayesian": lambda: _check("search", "Byesian", SEARCHES),
    "torch": lambda: set_backend("tourch"),
    "wandb": lambda: check_trackers(["wandbd"]),
}


@pytest.mark.parametrize("meant", LOOKED_UP)
def test_a_close_name_is_told(meant):
    with pytest.raises(UserError, match=f"[.] Did you mean {meant}[?] Received: "):
        LOOKED_UP[meant]()


def test_a_name_that_is_close_to_none_is_told_nothing():
    assert did_you_mean("cifar10", ("mnist", "kmnist")) == ""
    assert did_you_mean("ADAMM", ["adam", "AdamW"]) == " Did you mean adam?"
