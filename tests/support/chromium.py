"""Debian's chromium without a window, for the tests of pages and their screenshots."""

import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service


def open_browser():
    """Start chromium; its console is kept for `get_log('browser')`."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    # Without its sandbox: root cannot have one; the pages are our own.
    flags = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage")
    # Without a graphics card some plots are drawn by software.
    for flag in (*flags, "--hide-scrollbars", "--enable-unsafe-swiftshader"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def resize(browser, width: int, height: int) -> None:
    """Give the page a size in pixels, a narrow one that of a telephone's screen."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", size | {"mobile": width < 500}
    )
