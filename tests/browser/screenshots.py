"""Take the README's screenshots of runs/report, as make report wrote it."""

from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By
from support.chromium import open_browser, resize

ROOT = Path(__file__).parents[2]
SITE = ROOT / "runs/report"
PICTURES = ROOT / "docs/images"
NET, CELL = "mynet", "6-0"  # shirts taken for T-shirts


def take(browser, page: str, height: int, name: str, anchor: str = "") -> None:
    """Write the part of a page that begins at `anchor`, 1280 pixels wide."""
    browser.get((SITE / f"{page}.html").as_uri())
    resize(browser, 1280, height)
    if anchor:
        button = browser.find_element(By.CSS_SELECTOR, f'[data-cell="{CELL}"]')
        button.click()
        script = "document.getElementById(arguments[0]).scrollIntoView()"
        browser.execute_script(script, anchor)
    path = PICTURES / f"{name}.png"
    browser.save_screenshot(str(path))
    with Image.open(path) as picture:
        # Few colours are on a page; a palette holds them in a third of the bytes.
        smaller = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    smaller.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


def main() -> None:
    browser = open_browser()
    try:
        take(browser, "index", 1060, "report-index")
        take(browser, f"net-{NET}", 1330, "report-net", "confusions")
        take(browser, "audit", 1080, "report-audit")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
