"""The page to try a model, opened from the disk in Debian's chromium.

Screenshots at 1280 and 390 pixels are left in runs/screenshots.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from fmkeras.datasets.image_files import read_picture
from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES
from fmkeras.prediction.typical import are_far, shipped_reference

pytestmark = pytest.mark.browser
chromium = pytest.importorskip("support.chromium", exc_type=ImportError)

PICTURES = 200
SCREENSHOTS = Path(__file__).parents[2] / "runs/screenshots"
NAMES = CLASS_NAMES
SEEN = (
    "return Array.from(document.getElementById('seen').getContext('2d')"
    ".getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 0))"
)
SHARES = (
    "return [...document.querySelectorAll('#shares li')]"
    ".map(li => [li.firstChild.textContent, li.lastChild.textContent])"
)


@pytest.fixture(scope="module")
def runtime():
    from fmkeras.export.try_page.runtime import runtime_files

    try:
        return runtime_files()
    except UserError as error:
        pytest.skip(f"onnxruntime-web is not to be had here: {error}")


@pytest.fixture(scope="module")
def page(tmp_path_factory, runtime):
    """A page of an ONNX file that gives known probabilities, made without exporters."""
    from support.onnx_file import mean_model

    from fmkeras.export.try_page.build import write_try_page

    folder = tmp_path_factory.mktemp("export")
    (folder / "model.onnx").write_bytes(mean_model())
    facts = {"model": "bright </script>", "file": "model.onnx"}
    card = {"classes": NAMES, "test": {"accuracy": 0.5}, "dataset": {"name": "mine"}}
    (folder / "export.json").write_text(json.dumps(facts))
    (folder / "card.json").write_text(json.dumps(card))
    return write_try_page(folder, folder.parent / "a page", shipped_reference())


@pytest.fixture(scope="module")
def browser(page):
    driver = chromium.open_browser()
    driver.get(page.as_uri())
    wait(driver, "return document.body.dataset.ready")
    yield driver
    driver.quit()


def wait(driver, script, seconds=60):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds).until(lambda d: d.execute_script(script))


def drawn(number: int) -> Image.Image:
    """A picture of its own size, colours, background, transparency and noise."""
    generator = np.random.default_rng((7, number))
    width, height = (int(side) for side in generator.integers(20, 220, 2))
    mode = "RGBA" if number % 4 == 3 else ("L" if number % 4 == 2 else "RGB")
    bands = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    ground, ink = generator.integers(0, 256, (2, bands)).tolist()
    if mode == "RGBA":
        ground[3], ink[3] = (0, 255) if number % 8 == 3 else (60, 200)
    if bands == 1:
        ground, ink = ground[0], ink[0]
    picture = Image.new(mode, (width, height), ground if bands == 1 else tuple(ground))
    pen = ImageDraw.Draw(picture)
    left, top = width // 6, height // 5
    box = (left, top, width - 1 - left, height - 1 - top)
    draw = (pen.ellipse, pen.rectangle, pen.line)[number % 3]
    draw(
        box,
        fill=ink if bands == 1 else tuple(ink),
        **({"width": 5} if number % 3 == 2 else {}),
    )
    if number % 5 == 0:
        picture = picture.filter(ImageFilter.GaussianBlur(1.5))
    return picture


def prepared(path):
    try:
        return read_picture(path).pixels.reshape(-1).tolist()
    except UserError:
        return None


def remarks(path):
    """Return the notes and doubts that `make predict` prints of a picture."""
    picture = read_picture(path)
    return [list(picture.notes), list(picture.doubts)]


def two_objects():
    picture = drawn(1).convert("RGB")
    both = Image.new("RGB", (2 * picture.width, picture.height))
    both.paste(picture, (0, 0))
    both.paste(picture, (picture.width, 0))
    return both


def send(browser, path):
    before = browser.execute_script("return document.body.dataset.shown")
    browser.find_element("id", "file").send_keys(str(path))
    wait(
        browser,
        f"return document.body.dataset.shown !== {json.dumps(before)} || "
        "document.getElementById('state').className === 'wrong'",
    )
    return browser.find_element("id", "state").text


def test_200_pictures_become_the_same_pixels_as_make_predict_gives(browser, tmp_path):
    """Through the page's own reading of files, as PNG, which keeps pixels."""
    same, empty, unlike, doubts = 0, 0, 0, set()
    for number in range(PICTURES):
        path = tmp_path / f"{number}.png"
        (two_objects() if number == 1 else drawn(number)).save(path)
        expected = prepared(path)
        script = (
            "const [done] = [arguments[arguments.length - 1]];"
            "const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));"
            "readPicture(new Blob([bytes], {type: 'image/png'}))"
            ".then(p => preparePicture(p.rgba, p.width, p.height))"
            ".then(r => done([Array.from(r.pixels), r.notes, r.doubts,"
            " isFar(r.pixels, typical, FILES.typical.limit)]), e => done(e.message))"
        )
        import base64

        content = base64.b64encode(path.read_bytes()).decode()
        received = browser.execute_async_script(script, content)
        if expected is None:
            assert "only its background" in received, number
            empty += 1
            continue
        assert received[0] == expected, number
        assert received[1:3] == remarks(path), number
        [far] = are_far(np.array(expected, np.uint8).reshape(1, 28, 28))
        assert received[3] == far, number
        doubts.update(received[2])
        unlike += received[3]
        same += 1
    assert same > 0.9 * PICTURES
    assert doubts == {"low contrast", "several objects"}
    assert 0 < unlike < same


def test_a_picture_shows_what_was_seen_and_ten_probabilities(browser, tmp_path):
    path = tmp_path / "picture.png"
    drawn(1).save(path)
    assert send(browser, path) == "Ready."
    assert browser.execute_script(SEEN) == prepared(path)
    shares = browser.execute_script(SHARES)
    assert len(shares) == 10 and {name for name, _ in shares} == set(NAMES)
    values = [float(text.split()[0]) for _, text in shares]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(100, abs=0.5)
    # The model's own numbers: the mean pixel decides.
    mean = np.mean(prepared(path)) / 255
    logits = mean * np.arange(10)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert values[0] == pytest.approx(100 * expected.max(), abs=0.06)
    assert shares[0][0] == NAMES[9]


def test_no_picture_is_told_and_the_page_goes_on(browser, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    assert send(browser, text) == "This file cannot be read as a picture."
    plain = tmp_path / "plain.png"
    Image.new("RGB", (40, 40), (9, 9, 9)).save(plain)
    assert "only its background" in send(browser, plain)
    good = tmp_path / "good.png"
    drawn(2).save(good)
    assert send(browser, good) == "Ready."


def test_drawing_with_the_mouse_and_by_keyboard(browser):
    from selenium.webdriver import ActionChains, Keys

    canvas = browser.find_element("id", "draw")
    browser.find_element("id", "clear").click()
    before = browser.execute_script("return document.body.dataset.shown")
    moves = ActionChains(browser).move_to_element(canvas).click_and_hold()
    moves.move_by_offset(60, 40).release().perform()
    wait(browser, f"return document.body.dataset.shown !== '{before}'")
    by_mouse = browser.execute_script(SEEN)
    assert max(by_mouse) == 255
    browser.find_element("id", "clear").click()
    canvas.send_keys(" ", *[Keys.ARROW_LEFT] * 6, *[Keys.ARROW_UP] * 3)
    assert "Pen down at" in browser.find_element("id", "pen").text
    before = browser.execute_script("return document.body.dataset.shown")
    canvas.send_keys(" ")
    wait(browser, f"return document.body.dataset.shown !== '{before}'")
    assert browser.execute_script(SEEN) != by_mouse
    assert "Pen up" in browser.find_element("id", "pen").text


def test_nothing_is_fetched_and_nothing_complains(browser):
    names = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert all(name.startswith(("file:", "blob:", "data:")) for name in names), names
    severe = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert severe == []


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_every_control_is_reached_by_keyboard(browser, width, tmp_path):
    chromium.resize(browser, width, 900)
    path = tmp_path / "picture.png"
    drawn(4).save(path)
    send(browser, path)
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= innerWidth"
    )
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    height = browser.execute_script("return document.documentElement.scrollHeight")
    chromium.resize(browser, width, height)
    browser.save_screenshot(str(SCREENSHOTS / f"try-{width}.png"))
    from selenium.webdriver import ActionChains, Keys

    browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    reached = []
    for _ in range(6):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element.get_attribute("id"))
    assert {"file", "camera", "draw", "clear"} <= set(reached)


def test_a_headless_machine_without_camera_is_told(browser):
    browser.find_element("id", "camera").click()
    wait(browser, "return document.getElementById('state').className === 'wrong'")
    assert "no camera" in browser.find_element("id", "state").text
