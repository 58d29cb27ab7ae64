"""What several test files share: small data sets and a quiet environment."""

import os
import signal

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The tests do not depend on what make sets for its own commands.
for name in ("FMKERAS_USED_BY", "FMKERAS_PARENT", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(name, None)
# A shell starts what runs in the background deaf to Ctrl-C, which the tests send to
# processes of their own: those inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def garments():
    """A small drawn data set: 600 training and 200 test images."""
    from fmkeras.datasets import load_dataset

    return load_dataset("garments", seed=3, train_size=600, test_size=200)
