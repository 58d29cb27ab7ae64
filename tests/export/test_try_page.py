"""The folder of the page to try a model, and the package its runtime comes from."""

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile

import pytest

from fmkeras.errors import UserError
from fmkeras.export.try_page import build, runtime

CARD = {"classes": ["a</script>", "b"], "test": {"accuracy": 0.9}}


@pytest.fixture
def exported(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "runtime_files", lambda: ("export {}", b"\0asm"))
    folder = tmp_path / "onnx"
    folder.mkdir()
    (folder / "cnn.onnx").write_bytes(b"the model")
    facts = {"model": "cnn", "file": "cnn.onnx", "source_sha256": "of the file"}
    (folder / "export.json").write_text(json.dumps(facts))
    (folder / "card.json").write_text(json.dumps(CARD))
    return folder


def test_the_folder_holds_all_that_the_page_needs(exported, tmp_path):
    page = build.write_try_page(exported, tmp_path / "try" / "cnn")
    folder = page.parent
    text = page.read_text()
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {"prepare.js", "model.js", "runtime.js", "try.js", "try.css"} <= set(named)
    for name in named:
        assert name.startswith("data:") or (folder / name).is_file()
    for path in set(folder.iterdir()) - {folder / "licences.txt"}:
        assert not re.search(r"https?://", path.read_text()), path
    script = (folder / "model.js").read_text()
    assert "</script" not in script
    packed = re.search(r'FILES.onnx = "(.*)";', script)[1]
    assert gzip.decompress(base64.b64decode(packed)) == b"the model"


def test_a_page_tells_which_file_it_runs(exported, tmp_path):
    folder = build.write_try_page(exported, tmp_path / "page").parent
    assert build.source_of_page(folder) == "of the file"
    assert build.source_of_page(tmp_path) is None
    for text in ("", "\nFILES.about = 3;", '\nFILES.about = {"name": "cnn"};'):
        (folder / "model.js").write_text(text)
        assert build.source_of_page(folder) is None


def test_the_notices_of_others_go_with_the_page(exported, tmp_path):
    folder = build.write_try_page(exported, tmp_path / "page").parent
    text = (folder / "licences.txt").read_text()
    assert "Copyright (c) Microsoft Corporation" in text
    assert "Copyright (c) 2017 Zalando SE" in text
    assert "above copyright notice and this permission notice shall be" in text


def test_a_page_is_replaced_and_other_folders_are_not(exported, tmp_path):
    out = tmp_path / "cnn"
    build.write_try_page(exported, out)
    build.write_try_page(exported, out)
    (out / "model.js").unlink()
    with pytest.raises(UserError, match="is no page of this kind.*OUT="):
        build.write_try_page(exported, out)


def test_an_empty_folder_becomes_a_page(exported, tmp_path):
    (tmp_path / "mine").mkdir()
    assert build.write_try_page(exported, tmp_path / "mine").is_file()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is no page of this kind"):
        build.write_try_page(exported, tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "content"),
    [("card.json", "{"), ("card.json", "{}"), ("export.json", "[]"), ("cnn.onnx", "")],
)
def test_a_damaged_export_is_one_line(name, content, exported, tmp_path):
    (exported / name).unlink()
    if content:
        (exported / name).write_text(content)
    with pytest.raises(UserError, match="is damaged.*remove the folder.*Received"):
        build.write_try_page(exported, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_page_of_another_range_of_pixels_is_exported_anew(
    exported, tmp_path, monkeypatch
):
    keras = pytest.importorskip("keras")
    from fmkeras.__main__ import main
    from fmkeras.cli import try_page
    from fmkeras.export import export

    path, made = tmp_path / "cnn.keras", []
    pixels = keras.Input((28, 28, 1))
    flat = keras.layers.Flatten()(pixels)
    keras.Model(pixels, keras.layers.Dense(10)(flat)).save(path)
    (tmp_path / "cnn").mkdir()
    folder = exported.rename(tmp_path / "cnn" / "onnx")
    monkeypatch.setattr(try_page, "check_packages", lambda format: None)

    def export_model(path, *words, pixels, **flags):
        made.append(pixels)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        facts = json.loads((folder / "export.json").read_text())
        facts |= {"source_sha256": digest, "pixels": pixels or "0..255"}
        (folder / "export.json").write_text(json.dumps(facts))

    monkeypatch.setattr(export, "export_model", export_model)
    words = ["try", "--model", str(path), "--exports", str(tmp_path)]
    words += ["--out", str(tmp_path / "try"), "--data", "garments"]
    words += ["--train-size", "20", "--test-size", "10"]
    for flags in ([], [], ["--pixels", "0..1"], ["--pixels", "0..1"]):
        assert main([*words, *flags]) == 0
    assert made == [None, "0..1"]


def package(module=b"export {}", binary=b"\0asm"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in ((runtime.MODULE, module), (runtime.BINARY, binary)):
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def test_the_runtime_is_checked_and_kept(tmp_path, monkeypatch):
    content = package()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime, "download", lambda: content)
    with pytest.raises(UserError, match="is not the one that is known"):
        runtime.runtime_files()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    monkeypatch.setattr(runtime, "SHA512", digest)
    assert runtime.runtime_files() == ("export {}", b"\0asm")
    monkeypatch.setattr(runtime, "download", None)
    assert runtime.runtime_files() == ("export {}", b"\0asm")


def test_a_runtime_that_cannot_be_had_is_told(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(runtime, "ADDRESS", "http://127.0.0.1:9/nothing")
    with pytest.raises(UserError, match="could not be downloaded"):
        runtime.download()
