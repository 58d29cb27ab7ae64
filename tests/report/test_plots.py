"""Pictures: whole, labelled in full, the same each time, and never half-written."""

import re
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES
from fmkeras.report.plots import charts, curves, figures, label_issues

GENERATOR = np.random.default_rng(0)
LABELS = np.repeat(np.arange(10), 15)
IMAGES = np.zeros((150, 28, 28), np.uint8)
IMAGES[:, 4:24, 4:24] = GENERATOR.integers(50, 256, (150, 20, 20))
CONFUSION = GENERATOR.integers(0, 40, (10, 10)) + 900 * np.eye(10, dtype=np.int64)
HISTORY = [
    {
        "epoch": epoch,
        "loss": 1 / epoch,
        "accuracy": 0.8,
        "val_loss": str(1.1 / epoch),
        "val_accuracy": "0.79",
    }
    for epoch in (1, 2, 3)
]
COLUMNS = {"learning_rate": [0.01, 0.005], "loss": [0.9, 0.5], "val_loss": [0.8, 0.6]}
RUNS = {name: {"history": COLUMNS} for name in ("adamw", "ranger21")}


def plot_history(history, path):
    figures.write_figure(figures.history_figure(history), path)


DRAW = {
    "samples": lambda path: figures.plot_samples(IMAGES, LABELS, path),
    "confusion": lambda path: figures.plot_confusion_matrix(CONFUSION, path, "Title"),
    "history": lambda path: plot_history(HISTORY, path),
    "runs": lambda path: curves.plot_runs(RUNS, path, "Title"),
}


@pytest.fixture
def drawn(monkeypatch):
    """Collect the figures that are written."""
    found = []
    write = figures.write_figure

    def keep(figure, path):
        found.append(figure)
        write(figure, path)

    for module in (figures, curves, label_issues):
        monkeypatch.setattr(module, "write_figure", keep)
    return found


@pytest.mark.parametrize("kind", DRAW)
def test_no_ink_touches_the_edge(kind, tmp_path):
    path = tmp_path / "figure.png"
    DRAW[kind](path)
    pixels = matplotlib.image.imread(path)[..., :3]
    assert min(pixels.shape[:2]) > 300 and pixels.min() < 0.3
    for edge in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
        assert edge.min() == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", DRAW)
def test_svg_is_the_same_each_time(kind, tmp_path):
    for name in ("a.svg", "b.svg"):
        DRAW[kind](tmp_path / name)
    first, second = (tmp_path / name for name in ("a.svg", "b.svg"))
    assert first.read_text().lstrip().startswith("<?xml")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("kind", DRAW)
def test_other_suffixes_are_refused(kind, tmp_path):
    with pytest.raises(UserError, match=r"\.png or \.svg.*Received: .*figure\.gif"):
        DRAW[kind](tmp_path / "figure.gif")
    assert not list(tmp_path.iterdir())


def test_samples_show_the_first_of_each_class(drawn, tmp_path):
    figures.plot_samples(IMAGES, LABELS, tmp_path / "a.png", per_class=4)
    [axes] = drawn[0].axes
    sheet = axes.images[0].get_array()
    assert sheet.shape == (10 * 30 - 2, 4 * 30 - 2)
    for label in range(10):
        for column in range(4):
            top, left = 30 * label, 30 * column
            image = sheet[top : top + 28, left : left + 28]
            np.testing.assert_array_equal(image, IMAGES[15 * label + column])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(CLASS_NAMES)


def test_images_are_drawn_as_a_network_gets_them(drawn, tmp_path):
    """They were drawn as their negatives: light pictures of one's own were dark."""
    path = tmp_path / "a.png"
    issue = {"image": 0, "label": 0, "guess": 1, "verdict": "right"}
    figures.plot_samples(IMAGES, LABELS, path)
    figures.plot_augmented(IMAGES[:4], IMAGES[None, 4:8], path)
    label_issues.plot_label_issues(IMAGES, [issue], CLASS_NAMES, path)
    for figure in drawn:
        [image] = figure.axes[0].images
        assert image.cmap(image.norm([0, 255]))[:, :3].tolist() == [[0] * 3, [1] * 3]
    assert len(drawn) == 3


def test_a_class_with_few_images_has_a_short_row(drawn, tmp_path):
    figures.plot_samples(IMAGES[:16], LABELS[:16], tmp_path / "a.png", per_class=3)
    sheet = drawn[0].axes[0].images[0].get_array()
    assert sheet[30:58, :28].any() and not sheet[30:, 30:].any()


def test_every_cell_of_a_confusion_matrix_can_be_read(drawn, tmp_path):
    figures.plot_confusion_matrix(CONFUSION, tmp_path / "a.png", "Title")
    [axes] = drawn[0].axes
    [image] = axes.images
    assert len(axes.texts) == 100
    for text in axes.texts:
        predicted, true = text.get_position()
        assert text.get_text() == str(CONFUSION[true, predicted])
        back = image.cmap(image.norm(image.get_array()[true, predicted]))[0]
        front = {"white": 1, "black": 0, "0.7": 0.7}[text.get_color()]
        assert abs(front - back) > (0.35 if CONFUSION[true, predicted] else 0.25)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == list(CLASS_NAMES)


def test_shades_are_shares_of_the_row(drawn, tmp_path):
    confusion = np.zeros((10, 10), np.int64)
    confusion[0, :2] = 3, 1
    confusion[1, 1] = 5_000
    figures.plot_confusion_matrix(confusion, tmp_path / "a.png")
    shades = drawn[0].axes[0].images[0].get_array()
    np.testing.assert_allclose(shades[0, :2] ** 2, (0.75, 0.25))
    assert shades[1, 1] == 1 and not shades[2:].any()
    assert "5,000" in [text.get_text() for text in drawn[0].axes[0].texts]


def test_history_draws_both_figures_of_both_splits(drawn, tmp_path):
    plot_history(HISTORY, tmp_path / "a.png")
    for axes, name in zip(drawn[0].axes, ("loss", "accuracy"), strict=True):
        training, validation = axes.lines
        assert training.get_label() == "Training"
        assert list(training.get_xdata()) == [1, 2, 3]
        assert list(training.get_ydata()) == [row[name] for row in HISTORY]
        expected = [float(row[f"val_{name}"]) for row in HISTORY]
        assert list(validation.get_ydata()) == expected
        assert training.get_linestyle() != validation.get_linestyle()


def test_history_of_one_epoch_is_marked(drawn, tmp_path):
    plot_history(HISTORY[:1], tmp_path / "a.png")
    for axes in drawn[0].axes:
        assert all(line.get_markersize() > 0 for line in axes.lines)
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_history_of_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="at least one"):
        plot_history([], tmp_path / "a.png")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        DRAW["history"](tmp_path / "file" / "a.png")


def test_importing_the_module_does_not_import_matplotlib():
    code = (
        "import sys, fmkeras.report.plots.figures\n"
        "print({'matplotlib', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.fullmatch(r"set\(\)\s*", done.stdout), done.stdout + done.stderr


SIGNS = ("$b^$", "US$ 5", "$7_a")


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: figures.plot_samples(IMAGES, LABELS % 3, path, class_names=SIGNS),
        lambda path: figures.plot_class_counts(
            LABELS % 3, LABELS % 3, path, class_names=SIGNS
        ),
        lambda path: figures.plot_confusion_matrix(
            CONFUSION[:3, :3], path, "$b^$ US$ 5", class_names=SIGNS
        ),
        lambda path: label_issues.plot_label_issues(
            IMAGES,
            [{"image": 0, "label": 0, "guess": 1, "verdict": "wrong"}],
            SIGNS,
            path,
        ),
        lambda path: curves.plot_runs(dict.fromkeys(SIGNS, {"history": COLUMNS}), path),
        lambda path: path.write_text(charts.inline_svg(scatter_of(SIGNS), "")),
        lambda path: path.write_text(
            charts.inline_svg(charts.classes_figure(rows_of(SIGNS)), "")
        ),
    ],
    ids=["samples", "counts", "confusion", "issues", "runs", "scatter", "classes"],
)
def test_signs_of_dollars_are_drawn_as_they_are(draw, tmp_path):
    draw(tmp_path / "a.svg")
    # Beside the paths of a text, SVG has the text.
    drawn = (tmp_path / "a.svg").read_text()
    assert "$b^$" in drawn and "US$ 5" in drawn


def scatter_of(names):
    high = [0.9, 0.8, 0.7]
    return charts.scatter_figure(
        names, [10, 100, 1_000], high, [(one, one) for one in high], "Size"
    )


def rows_of(names):
    figures_of_all = {"f1": 1, "precision": 1, "recall": 1}
    return [{"class": name, "epoch": 1} | figures_of_all for name in names]
