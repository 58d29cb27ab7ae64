"""The page of a search in a real browser: plots answer to the mouse, filters filter.

Screenshots at 1280 and 390 pixels, light and dark, are left in runs/screenshots.
"""

import json
from pathlib import Path

import pytest
from support.report_models import search_record, small_dataset

from fmkeras.report.site.pages import Site
from fmkeras.report.site.search_info import read_searches

pytestmark = pytest.mark.browser
chromium = pytest.importorskip("support.chromium", exc_type=ImportError)

SCREENSHOTS = Path(__file__).parents[2] / "runs/screenshots"
CHARTS = ["history", "coordinates", "importances", "epochs"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    (folder / "tune-first.json").write_text(json.dumps(search_record()))
    site = Site(folder / "site", small_dataset())
    site.navigation = [{"file": "searches.html", "title": "Searches"}]
    site.write_assets()
    site.write_searches(read_searches(folder))
    return folder / "site"


@pytest.fixture(scope="module")
def browser(site):
    driver = chromium.open_browser()
    yield driver
    driver.quit()


def show(browser, site, width=1280, scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": "screen", "features": features}
    )
    chromium.resize(browser, width, 900)
    browser.get((site / "search-first.html").as_uri())
    drawn = "return document.querySelectorAll('.chart .main-svg').length"
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda d: d.execute_script(drawn) >= len(CHARTS))


def settled(browser, script, value):
    """Wait until a script returns a value: plotly draws in its own time."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30).until(lambda d: d.execute_script(script) == value)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_is_drawn_and_the_page_fits(site, browser, width, scheme):
    show(browser, site, width, scheme)
    drawn = (
        "return [...document.querySelectorAll('.chart.js-plotly-plot')].map(e => e.id)"
    )
    assert browser.execute_script(drawn) == CHARTS
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    # Only the axes of the parallel coordinates need more room than a phone has.
    over = (
        "return [...document.querySelectorAll('.chart')]"
        ".filter(e => e.parentElement.scrollWidth > e.parentElement.clientWidth + 1)"
        ".map(e => e.id)"
    )
    assert set(browser.execute_script(over)) <= {"coordinates"}
    # Texts have the colour of the page's own in either scheme.
    ink = browser.execute_script("return getComputedStyle(document.body).color")
    fill = "return getComputedStyle(document.querySelector('#history .xtitle')).fill"
    assert browser.execute_script(fill) == ink
    names = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert all(name.startswith(("file:", "data:", "blob:")) for name in names), names
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    height = browser.execute_script("return document.documentElement.scrollHeight")
    chromium.resize(browser, width, height)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENSHOTS / f"search-{width}-{scheme}.png"))


def test_the_mouse_over_a_line_tells_its_trial(site, browser):
    from selenium.webdriver import ActionChains

    show(browser, site)
    point = browser.find_elements("css selector", "#epochs .points path")[-1]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(browser).move_to_element(point).perform()
    settled(browser, "return document.querySelectorAll('#epochs .hovertext').length", 1)
    text = browser.find_element("css selector", "#epochs .hovertext").text
    assert "trial 05" in text and "90.50 %" in text and "learning rate" in text


def test_filters_hold_for_the_table_and_the_lines(site, browser):
    from selenium.webdriver.support.ui import Select

    show(browser, site)
    visible = (
        "return [...document.querySelectorAll('#trials tbody tr')]"
        ".filter((row) => row.checkVisibility()).map((row) => row.dataset.trial)"
    )
    lines = "return document.querySelectorAll('#epochs .scatterlayer .trace').length"
    assert len(browser.execute_script(visible)) == 14
    assert browser.execute_script(lines) == 14
    field = browser.find_element("css selector", '[data-name="optimizer"]')
    Select(field).select_by_visible_text("sgd")
    of_sgd = browser.execute_script(visible)
    record = search_record()["trials"]
    expected = {t["trial"] for t in record if t["values"]["optimizer"] == "sgd"}
    assert set(of_sgd) == expected
    settled(browser, lines, len(expected))
    least = browser.find_element("css selector", '[data-name="accuracy"]')
    least.send_keys("89.5")
    better = {t["trial"] for t in record if (t["val_accuracy"] or 0) >= 0.895}
    assert set(browser.execute_script(visible)) == expected & better
    said = browser.find_element("id", "shown").text
    assert said == f"{len(expected & better)} of 14 trials"
    browser.find_element("css selector", "#filters button").click()
    settled(browser, lines, 14)
    assert len(browser.execute_script(visible)) == 14


def test_dragging_along_an_axis_keeps_the_trials_that_pass_there(site, browser):
    from selenium.webdriver import ActionChains

    show(browser, site)
    axis = browser.find_element("css selector", "#coordinates .axis-brush")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", axis)
    drag = ActionChains(browser).move_to_element_with_offset(axis, 0, -40)
    drag.click_and_hold().move_by_offset(0, 60).release().perform()
    kept = (
        "return document.getElementById('coordinates').data[0].dimensions"
        ".filter((d) => d.constraintrange).length"
    )
    settled(browser, kept, 1)
