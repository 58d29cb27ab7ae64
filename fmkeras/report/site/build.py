"""From saved models, or from one run, to a finished report."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from fmkeras.datasets import Dataset
from fmkeras.evaluation.compare import compare
from fmkeras.experiments.summary import over_seeds
from fmkeras.export.try_page.build import MODEL, source_of_page
from fmkeras.files import replacing_folder
from fmkeras.records import RECORDS
from fmkeras.report.site.audit_file import read_audit
from fmkeras.report.site.entries import ReportEntry, run_entry, saved_entries
from fmkeras.report.site.leaderboard import leaderboard
from fmkeras.report.site.page_info import check_image, collect_page_info
from fmkeras.report.site.pages import Site, navigation
from fmkeras.report.site.search_info import read_searches


def report_on_saved(
    names: Sequence[str],
    dataset: Dataset,
    *,
    models_dir: str | Path,
    out: str | Path,
    runs: Iterable[str | Path],
    audit: str | Path,
    try_pages: str | Path = "try",
    image: int = 0,
    device: str = "",
    pixels: str | None = None,
) -> Path:
    """Report on saved models; return the path of the first page.

    `runs` are folders that may hold the runs they came from, for the curves; `audit`
    is the result of an audit, shown where it is of this data set; `try_pages` holds
    the pages of `fmkeras try`, which are copied; `image` is the test image whose
    feature maps are shown.
    """
    check_image(image, dataset)
    out = Path(out)
    entries = saved_entries(
        names,
        models_dir,
        dataset,
        runs,
        out / "cache",
        lambda name: print(f"Measuring {name}", flush=True),
        pixels,
    )
    findings = read_audit(audit, dataset)
    records = Path(models_dir) / RECORDS.name
    searches = read_searches(records, runs)
    site = Site(out, dataset)
    site.navigation = navigation(
        entries, len(entries) > 1, bool(searches), findings is not None
    )
    site.navigation += copy_try_pages(entries, Path(try_pages), out / "try")
    site.write_assets()
    rows = leaderboard(entries, records, dataset)
    site.write_index(rows, device)
    for entry in entries:
        site.write_model(collect_page_info(entry, dataset, image))
    if len(entries) > 1:
        predictions = {s.name: s.evaluation.predictions for s in entries}
        comparison = compare(
            predictions, dataset.y_test, class_names=dataset.class_names
        )
        cards = {s.name: s.card for s in entries}
        accuracies = {s.name: s.evaluation.accuracy for s in entries}
        site.write_comparison(comparison, over_seeds(cards, accuracies))
    if searches:
        site.write_searches(searches)
    if findings is not None:
        site.write_audit(findings)
    return out / "index.html"


def copy_try_pages(
    entries: Iterable[ReportEntry], source: Path, target: Path
) -> list[dict]:
    """Copy the page to try each model, where there is one; return links to them.

    A page that runs another file than the entry's is left out.
    """
    links = []
    for entry in entries:
        page = source / entry.name
        if not (page / MODEL).is_file():
            continue
        if source_of_page(page) != entry.sha256:
            print(
                f"fmkeras: Left out of the report: '{page}' runs another file than the "
                f"model {entry.name}; make it again: fmkeras try --model {entry.name} "
                f"(make: make try MODEL={entry.name})",
                file=sys.stderr,
            )
            continue
        with replacing_folder(target / entry.name) as folder:
            shutil.copytree(page, folder, dirs_exist_ok=True)
        file = f"try/{quote(entry.name)}/index.html"
        links.append({"file": file, "title": f"Try {entry.name}"})
    return links


def report_on_run(
    folder: str | Path, dataset: Dataset, *, out: str | Path, image: int = 0
) -> Path:
    """Report on the model of one finished run; return the path of its page."""
    check_image(image, dataset)
    entry = run_entry(folder, dataset, Path(out) / "cache")
    site = Site(out, dataset)
    site.navigation = [{"file": "index.html", "title": entry.name}]
    site.write_assets()
    site.write_model(collect_page_info(entry, dataset, image), "index.html")
    return Path(out) / "index.html"
