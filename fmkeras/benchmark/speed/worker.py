"""One competitor in a process of its own, which runs when it is told to.

`python -m fmkeras.benchmark.speed.worker CONTESTANT MODEL BATCH PRECISION SIDE COMPILED
AUGMENTATION` answers each line of its input with one line of JSON; images have SIDE
pixels a side, COMPILED is yes or no, AUGMENTATION none, crop-flip or all:

    warm N        the seconds of the first step and of first predicting N images
    train N [B]   the seconds of one pass over N images, in batches of B if given
    predict N M   the seconds of predicting N images, M at a time
    profile N     the milliseconds a step that each kind of operation takes, on torch
    product TYPE  the operations a second of a matrix product in float32 or bfloat16

KERAS_BACKEND says which backend 'ours' and 'keras-fit' run on. 'fmkeras-fit' and
'model-fit' take MODEL from `fmkeras.benchmark.speed.any_model`, and time an epoch
themselves.
"""

import json
import resource
import sys
import time
from functools import partial

import numpy as np

from fmkeras.benchmark.speed.rounds import most_images


def make_competitor(
    kind: str, model: str, batch: int, side: int, **settings: str | bool
):
    """Return the competitor of a kind, as `Competitor` names them."""
    if kind in ("fmkeras-fit", "model-fit"):
        from fmkeras.benchmark.speed.any_model import CASES

        return CASES[kind](model, batch)
    # Of noise: what is on the images changes nothing of the time.
    generator = np.random.default_rng(0)
    count = most_images(side)
    images = generator.integers(0, 256, (count, side, side), np.uint8)
    labels = generator.integers(0, 10, count)
    if kind == "ours":
        from fmkeras.benchmark.speed.engines import EngineCase

        return EngineCase(model, images, labels, batch, **settings)
    if kind == "keras-fit":
        from fmkeras.benchmark.speed.engines import KerasFit

        return KerasFit(model, images, labels, batch)
    from fmkeras.benchmark.speed.baselines import PEERS

    return PEERS[kind](model, images, labels, batch)


def main(
    kind: str,
    model: str,
    batch: str,
    precision: str,
    side: str,
    compiled: str,
    augmentation: str,
) -> None:
    """Answer the lines of the standard input until it ends."""
    settings = {"precision": precision, "augmentation": augmentation}
    settings["compiled"] = compiled == "yes"
    competitor = None
    for line in sys.stdin:
        words = line.split()
        started = time.perf_counter()
        answer, took = {}, None
        if words[0] == "product":
            from fmkeras.benchmark.speed.baselines import product_rate

            answer["rate"] = product_rate(words[1])
        elif words[0] == "warm":
            competitor = make_competitor(kind, model, int(batch), int(side), **settings)
            competitor.train(int(batch))
            answer["first_step"] = time.perf_counter() - started
            started = time.perf_counter()
            competitor.predict(int(words[1]), int(words[1]))
            answer["first_prediction"] = time.perf_counter() - started
        elif words[0] == "profile":
            from fmkeras.benchmark.speed.profile import profile_steps

            count = int(words[1])
            train = partial(competitor.train, count)
            answer["profile"] = profile_steps(train, count // int(batch))
        elif words[0] == "train":
            competitor.batch_size = int((*words[2:], batch)[0])
            took = competitor.train(int(words[1]))
        else:
            competitor.predict(int(words[1]), int(words[2]))
        answer["seconds"] = took or time.perf_counter() - started
        # Kilobytes on Linux.
        answer["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
