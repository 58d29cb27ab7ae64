"""Take the screenshots of docs from a report on the saved models alone."""

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from run import ADVICE, install, missing
from selenium.webdriver.common.by import By
from support.chromium import open_browser, resize

from fmkeras.__main__ import main as fmkeras
from fmkeras.records import PICTURES, SAVED_MODELS
from fmkeras.report.doc_images import stamp

ROOT = Path(__file__).parents[2]
NET, CELL = "mynet", "6-0"  # shirts taken for T-shirts


def take(browser, site: Path, page: str, height: int, name: str, anchor="") -> Path:
    """Write the part of a page that begins at `anchor`, 1280 pixels wide."""
    browser.get((site / f"{page}.html").as_uri())
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
    return path


def main() -> int:
    if missing() and not install():
        print(f"make: {ADVICE} Received: no {', '.join(missing())}", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        # No runs and no audit of this machine: only what is committed is shown.
        site, none = Path(folder) / "site", str(Path(folder) / "none")
        flags = ["--out", str(site), "--runs", none, "--audit", none]
        code = fmkeras(["report", *flags, *sys.argv[1:]])
        if code:
            return code
        names = sorted(path.stem for path in SAVED_MODELS.glob("*.keras"))
        browser = open_browser()
        try:
            index = take(browser, site, "index", 1060, "report-index")
            net = take(browser, site, f"net-{NET}", 1330, "report-net", "confusions")
        finally:
            browser.quit()
    stamp(index, models=names)
    stamp(net, models=[NET])
    print(f"Screenshots: {index}, {net}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
