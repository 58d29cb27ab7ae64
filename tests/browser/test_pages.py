"""The report's pages in a real browser: they load, fit, sort, open and can be read.

Screenshots of each page, at 1280 and at 390 pixels, are left in runs/screenshots.
"""

import re
from pathlib import Path

import pytest
from support.report_models import (
    SMALL,
    small_dataset,
    train_two,
    write_audit,
    write_search,
)

from fmkeras.__main__ import main

pytestmark = pytest.mark.browser
chromium = pytest.importorskip("support.chromium", exc_type=ImportError)

NETS = ("net-linear-garments", "net-lenet_relu-garments")
PAGES = ("index", "compare", "searches", "search-first", "audit", *NETS)
WIDTHS = {1280: 900, 390: 844}
PAPER = 794  # A4 in CSS pixels
SCREENSHOTS = Path(__file__).parents[2] / "runs/screenshots"
CONTRAST = 4.5  # what the Web Content Accessibility Guidelines ask for, level AA


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A report on two small models, made by the command line."""
    folder = tmp_path_factory.mktemp("site")
    dataset = small_dataset()
    train_two(folder, dataset)
    write_audit(folder / "audit.json", dataset)
    write_search(folder / "saved_models")
    flags = ["--models-dir", folder / "saved_models", "--runs", folder / "runs"]
    flags += ["--audit", folder / "audit.json", "--out", folder / "site"]
    assert main(["report", *SMALL, *map(str, flags)]) == 0
    return folder / "site"


@pytest.fixture(scope="module")
def browser():
    driver = chromium.open_browser()
    yield driver
    driver.quit()


@pytest.fixture
def show(site, browser):
    """Open a page of some width, light or dark, on screen or on paper."""

    def open_page(name, width=1280, scheme="light", media="screen"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        chromium.resize(browser, width, WIDTHS[width])
        browser.get((site / f"{name}.html").as_uri())
        return browser

    return open_page


def test_what_scrolls_says_so(show):
    script = """return [...document.querySelectorAll(".scroll, .wide")].map(
        (box) => [box.scrollWidth > box.clientWidth + 1,
                  !box.previousElementSibling.hidden])"""
    narrow = show("index", 390).execute_script(script)
    assert narrow and all(wider == said for wider, said in narrow)
    assert any(said for _, said in narrow)


def all_of(browser, selector):
    from selenium.webdriver.common.by import By

    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    [element] = all_of(browser, selector)
    return element


def said_by(page):
    """What the page's console holds, but for what chromium says of its own WebGL."""
    return [e for e in page.get_log("browser") if e["source"] != "rendering"]


@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_and_fits(name, width, show):
    page = show(name, width)
    page.execute_script(
        "for (const image of document.images) image.loading = 'eager';"
        "return Promise.all([...document.images].map((image) => image.decode()))"
    )
    assert said_by(page) == []
    wide = page.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    broken = page.execute_script(
        "return [...document.images].filter((image) => !image.naturalWidth).length"
    )
    assert broken == 0
    cut = page.execute_script(
        "return [...document.querySelectorAll('h1, h2, p, dd, dt, figcaption, li')]"
        ".filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)"
        ".map((e) => e.textContent.trim().slice(0, 60))"
    )
    assert cut == []
    height = page.execute_script("return document.documentElement.scrollHeight")
    chromium.resize(page, width, height)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert page.save_screenshot(str(SCREENSHOTS / f"{name}-{width}.png"))


def column(page, number):
    cells = all_of(page, f"table.sortable tbody tr > :nth-child({number})")
    return [cell.get_attribute("data-value") or cell.text for cell in cells]


def test_the_leaderboard_is_sorted_by_a_click_and_by_a_key(show):
    from selenium.webdriver.common.keys import Keys

    page = show("index")
    heads = all_of(page, "table.sortable thead th")
    names = [head.text.split(",")[0].rstrip() for head in heads]
    place = names.index("Parameters") + 1
    before = [float(value) for value in column(page, place)]
    button = all_of(page, "table.sortable thead button")[place - 1]
    button.click()
    assert [float(v) for v in column(page, place)] == sorted(before, reverse=True)
    assert heads[place - 1].get_attribute("aria-sort") == "descending"
    button.send_keys(Keys.ENTER)
    assert [float(v) for v in column(page, place)] == sorted(before)
    assert heads[place - 1].get_attribute("aria-sort") == "ascending"
    sorted_by = all_of(page, "table.sortable thead [aria-sort]")
    assert len(sorted_by) == 1
    all_of(page, "table.sortable thead button")[0].click()
    assert column(page, 1) == ["lenet_relu-garments", "linear-garments"]
    assert page.get_log("browser") == []


def test_empty_cells_stay_last_whichever_way_is_sorted(show):
    page = show("index")
    heads = all_of(page, "table.sortable thead th")
    [place] = [n for n, h in enumerate(heads, 1) if h.text.startswith("Loss")]
    first = all_of(page, "table.sortable tbody tr")[0]
    cell = first.find_elements("xpath", f"*[{place}]")[0]
    page.execute_script("arguments[0].dataset.value = ''", cell)
    name = first.text.split()[0]
    for _ in range(2):
        all_of(page, "table.sortable thead button")[place - 1].click()
        assert column(page, 1)[-1] == name


def test_a_cell_of_the_confusion_matrix_opens_its_gallery(show):
    from selenium.webdriver.common.keys import Keys

    page = show("net-linear-garments")
    gallery = one(page, "#gallery")
    assert not gallery.is_displayed()
    for button in all_of(page, "[data-cell]")[:3]:
        button.click()
        assert gallery.is_displayed()
        assert button.get_attribute("aria-expanded") == "true"
        count = int(button.get_attribute("data-count"))
        label, guess = map(int, button.get_attribute("data-cell").split("-"))
        tiles = all_of(page, "#gallery .tile")
        assert len(tiles) == (min(count, 40) if label == guess else count)
        title = one(page, "#gallery h3").text
        said = button.get_attribute("aria-label")
        assert title.split(",")[0].split(" taken")[0] in said
        # The sheet is there, and the tile shows a piece of it that is not empty.
        sheet = tiles[0].value_of_css_property("background-image")
        address = re.search(r'url\("(.*)"\)', sheet)[1]
        size = page.execute_async_script(
            "const image = new Image(); const done = arguments[1];"
            "image.onload = () => done(image.naturalWidth);"
            "image.onerror = () => done(0); image.src = arguments[0];",
            address,
        )
        assert size == 40 * 28 and f"images-{label}.png" in address
        assert len(set(tiles[0].screenshot_as_png)) > 100
    gallery.send_keys(Keys.ESCAPE)
    assert not gallery.is_displayed()
    assert page.switch_to.active_element == button
    button.click()
    one(page, "#gallery .close").click()
    assert not gallery.is_displayed()
    assert page.get_log("browser") == []


def test_counts_become_shares(show):
    page = show("net-linear-garments")
    buttons = all_of(page, "[data-cell]")
    counts = [button.text for button in buttons]
    assert counts == [button.get_attribute("data-count") for button in buttons]
    one(page, 'input[value="share"]').click()
    shares = [button.text for button in buttons]
    assert shares == [button.get_attribute("data-share") for button in buttons]
    one(page, 'input[value="count"]').click()
    assert [button.text for button in buttons] == counts


def luminance(colour):
    """Return the relative luminance of a computed colour, as the guidelines have it."""
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]
    scale = 1 if colour.startswith("color(") else 255
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / scale for part in parts)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(front, back):
    high, low = sorted((luminance(front), luminance(back)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme, show):
    for name in PAGES:
        page = show(name, scheme=scheme)
        found = page.execute_script(
            """
            const seen = new Map();
            for (const e of document.querySelectorAll("body *")) {
              const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
              if (!own || e.closest("svg, script, .skip") || !e.checkVisibility()) continue;
              const clear = (c) => /^rgba\\(.*, 0\\)$/.test(c);
              let behind = e;
              while (behind && clear(getComputedStyle(behind).backgroundColor))
                behind = behind.parentElement;
              const back = behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)";
              const front = getComputedStyle(e).color;
              seen.set(front + "|" + back, e.outerHTML.slice(0, 90));
            }
            return [...seen];
            """  # noqa: E501
        )
        assert found
        for colours, where in found:
            assert contrast(*colours.split("|")) >= CONTRAST, (name, where, colours)
        dark = luminance(one(page, "body").value_of_css_property("background-color"))
        assert (dark < 0.05) == (scheme == "dark")


def test_the_first_tab_stop_leads_past_the_navigation(show):
    from selenium.webdriver.common.keys import Keys

    page = show("net-linear-garments")
    one(page, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the content"
    current = all_of(page, 'nav [aria-current="page"]')
    assert [link.text for link in current] == ["linear-garments"]


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_there_is_no_navigation_and_all_is_light(name, show):
    page = show(name, scheme="dark", media="print")
    chromium.resize(page, PAPER, 1123)
    assert page.execute_script("return document.documentElement.scrollWidth") <= PAPER
    assert not one(page, "nav").is_displayed()
    assert luminance(one(page, "body").value_of_css_property("color")) < 0.01
