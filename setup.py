"""Puts the smallest trained models into the package, to predict with after install."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# Of all models and cards together.
MOST_BYTES = 1_000_000
ROOT = Path(__file__).parent


def small_models() -> list[Path]:
    """Return the smallest models that have a card, as many as fit, with their cards."""
    files = [
        path
        for path in (ROOT / "saved_models").glob("[!.]*.keras")
        if path.with_suffix(".json").exists()
    ]
    chosen, total = [], 0
    for path in sorted(files, key=lambda path: (path.stat().st_size, path.name)):
        pair = [path, path.with_suffix(".json")]
        total += sum(file.stat().st_size for file in pair)
        if total > MOST_BYTES:
            break
        chosen += pair
    return chosen


class BuildWithModels(build_py):
    """Builds the package, its models included; an editable install has all of them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "fmkeras" / "saved_models"
        folder.mkdir(parents=True, exist_ok=True)
        for path in small_models():
            shutil.copyfile(path, folder / path.name)


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithModels})
