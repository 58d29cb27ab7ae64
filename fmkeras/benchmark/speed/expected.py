"""How long a benchmark will take, by the rates that the package ships."""

from collections.abc import Sequence

from fmkeras.benchmark.speed.rounds import Competitor
from fmkeras.training.auto_figures import load_figures

# A process that imports its backend, and ends.
SECONDS_TO_START = 4.0
# Turns that find the number of images, beside the rounds.
TRIED = 4
# Rates of who was not measured here; other competitors are as fast as our engine.
_LIKE = "ours-torch"
_SLOW = {"train": 1_000.0, "first_step": 10.0}


def expected_seconds(
    name: str, competitors: Sequence[Competitor], settings: dict
) -> float:
    """Return how long a network's competitors will take, all their rounds."""
    speed = load_figures()["speed"].get(settings["device"], {})
    figures = speed.get("models", {}).get(name, {})

    def figure(what: str, label: str) -> float:
        found = figures.get(what, {})
        return found.get(label, found.get(_LIKE, _SLOW[what]))

    total = 0.0
    for competitor in competitors:
        step = settings["batch_size"] / figure("train", competitor.label)
        turn = max(settings["seconds_a_round"], step)
        # Compiled steps train alone, the others predict too.
        passes = 1 if competitor.compiled else 2
        total += SECONDS_TO_START + figure("first_step", competitor.label)
        total += passes * turn * (settings["rounds"] + TRIED)
    return total
