"""The report: a folder of pages that open from the disk, without server or network."""

import importlib.resources
import shutil
from collections.abc import Sequence
from pathlib import Path

from fmkeras.analysis.label_issues import AGREEMENT, WEAK_MODELS
from fmkeras.analysis.near_duplicates import divided_pairs, images_of
from fmkeras.datasets import Dataset
from fmkeras.evaluation.compare import Comparison
from fmkeras.files import make_folder, replacing, write_csv, write_text
from fmkeras.provenance import provenance
from fmkeras.report.plots.leaderboard import leaderboard_charts
from fmkeras.report.site.entries import ReportEntry, page_name
from fmkeras.report.site.images import picture_data, write_sheet
from fmkeras.report.site.leaderboard import LEADERBOARD, leaderboard_csv_rows
from fmkeras.report.site.model_page import draw_page
from fmkeras.report.site.page_info import PageInfo
from fmkeras.report.site.search_info import SearchInfo
from fmkeras.report.site.search_page import (
    draw_search,
    plotly_script,
    search_page_name,
    search_row,
)
from fmkeras.report.tables.markdown import percent

ASSETS = ("report.css", "report.js")
# Its notice goes wherever its pictures go.
FASHION_MNIST_LICENCE = "fashion-mnist-licence.txt"
SUSPECTS = {"train": 100, "test": 50}
TITLES = {"train": "Training images", "test": "Test images"}


class Site:
    """Writes pages that share a style, a navigation and the test images' sheets."""

    def __init__(self, folder: str | Path, dataset: Dataset) -> None:
        import jinja2

        self.folder = make_folder(folder)
        self.dataset = dataset
        self.navigation: list[dict] = []
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("fmkeras.report"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._environment.filters |= {
            "percent": percent,
            "points": lambda share: f"{100 * share:.2f}",
            "thousands": lambda number: f"{number:,.0f}",
        }
        self._made = provenance()

    def write_assets(self) -> None:
        """Write style, script and a sheet of the test images of each class."""
        for name in ASSETS:
            self._write_template(name)
        if self.dataset.name == "fashion-mnist":
            self._write_template(FASHION_MNIST_LICENCE)
        for label in range(self.dataset.num_classes):
            images = self.dataset.x_test[self.dataset.y_test == label]
            write_sheet(images, self.folder / f"images-{label}.png")

    def write_index(self, rows: list[dict], device: str) -> None:
        """Write the leaderboard; `rows` are those of `leaderboard`."""
        self._page(
            "index.html",
            "Leaderboard",
            template="index.html",
            rows=rows,
            charts=leaderboard_charts(rows),
            device=device,
        )
        write_csv(self.folder / LEADERBOARD, leaderboard_csv_rows(rows))

    def write_model(self, info: PageInfo, file: str | None = None) -> None:
        """Write the page of a model."""
        name = info.entry.name
        context = draw_page(info)
        self._page(file or page_name(name), name, template="net.html", **context)

    def write_comparison(self, comparison: Comparison, seeds: list[dict]) -> None:
        """Write the page of all pairs; `seeds` are the rows of `over_seeds`."""
        self._page(
            "compare.html",
            "Comparison",
            template="compare.html",
            comparison=comparison,
            seeds=seeds,
            class_names=self.dataset.class_names,
        )

    def write_searches(self, searches: Sequence[SearchInfo]) -> None:
        """Write the list of all searches and a page for each, plotly beside them."""
        self._write_template("search.js")
        self._write("plotly.min.js", plotly_script())
        for search in searches:
            picture = None
            if search.heat_map:
                page = search_page_name(search.name)
                picture = page.removesuffix(".html") + search.heat_map.suffix
                with replacing(self.folder / picture) as temporary:
                    shutil.copyfile(search.heat_map, temporary)
            self._page(
                search_page_name(search.name),
                search.name,
                template="search.html",
                heat_map=picture,
                **draw_search(search),
            )
        self._page(
            "searches.html",
            "Searches",
            template="searches.html",
            searches=[search_row(search) for search in searches],
        )

    def write_audit(self, audit: dict) -> None:
        """Write the page of an audit's result."""
        exact, near = map(images_of, divided_pairs(audit["duplicates"]))
        self._page(
            "audit.html",
            "Label audit",
            template="audit.html",
            audit=audit,
            agreement=AGREEMENT,
            weak_models=WEAK_MODELS,
            parts=[self._audit_part(name, audit["parts"][name]) for name in TITLES],
            exact=exact,
            near=near,
            twins=[self._twins(pair) for pair in audit["duplicates"]],
        )

    def _audit_part(self, name: str, part: dict) -> dict:
        images = getattr(self.dataset, f"x_{name}")
        return {
            "name": name,
            "title": TITLES[name],
            "found": len(part["suspects"]),
            "count": part["count"],
            "accuracy": part["accuracy"],
            "suspects": [
                one
                | {
                    "picture": picture_data(images[one["image"]]),
                    "label": self.dataset.class_names[one["label"]],
                    "guess": self.dataset.class_names[one["guess"]],
                }
                for one in part["suspects"][: SUSPECTS[name]]
            ],
        }

    def _twins(self, pair: dict) -> dict:
        return pair | {
            "test_picture": picture_data(self.dataset.x_test[pair["test"]]),
            "train_picture": picture_data(self.dataset.x_train[pair["train"]]),
            "test_label": self.dataset.class_names[pair["test_label"]],
            "train_label": self.dataset.class_names[pair["train_label"]],
        }

    def _page(self, file: str, heading: str, *, template: str, **context) -> None:
        data = {
            "name": self.dataset.name,
            "count": f"{len(self.dataset.y_test):,}",
            "checksum": self.dataset.checksum,
        }
        text = self._environment.get_template(template).render(
            {"title": heading}
            | context
            | {
                "file": file,
                "heading": heading,
                "navigation": self.navigation,
                "data": data,
                "made": self._made,
            }
        )
        self._write(file, text)

    def _write_template(self, name: str) -> None:
        source = importlib.resources.files("fmkeras.report") / "templates" / name
        self._write(name, source.read_text(encoding="utf-8"))

    def _write(self, name: str, text: str) -> None:
        write_text(self.folder / name, text)


def navigation(
    entries: Sequence[ReportEntry], comparison: bool, searches: bool, audit: bool
) -> list[dict]:
    """Return the links that every page begins with."""
    pages = [("index.html", "Leaderboard")]
    pages += [("compare.html", "Comparison")] if comparison else []
    pages += [("searches.html", "Searches")] if searches else []
    pages += [("audit.html", "Label audit")] if audit else []
    pages += [(page_name(entry.name), entry.name) for entry in entries]
    return [{"file": file, "title": title} for file, title in pages]
