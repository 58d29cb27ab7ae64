import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import fmkeras
from fmkeras.errors import CannotWrite, UserError
from fmkeras.files import (
    cache_folder,
    check_file,
    clear_temporary_files,
    replacing,
    replacing_folder,
    write_json,
)
from fmkeras.files import writing as files
from fmkeras.files.locks import folder_locked, is_locked, locked, wait_until_free


def test_json_comes_back_and_rows_of_numbers_are_rows(tmp_path):
    path = tmp_path / "a.json"
    content = {
        "matrix": [[1, -2], [3.5, 4e-7]],
        "names": ["[ 1,\n 2 ]", "1"],
        "empty": [],
        "mixed": [1, "a", None],
        "large": [1e22],
    }
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    assert "[1, -2]" in path.read_text()
    assert "[3.5, 4e-07]" in path.read_text()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_umask_holds_while_threads_write(tmp_path):
    mask = os.umask(0o027)
    try:
        threads = [
            threading.Thread(target=write_json, args=(tmp_path / f"{i}.json", [i]))
            for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert modes == {0o640}
        # Reading the umask by setting it would leave it at 0 now and then.
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)


def test_a_file_taken_for_a_leftover_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    lock, locked = files.fcntl.flock, []

    def late(handle, operation):
        if not locked:  # another writer cleans up in the moment before
            files.clear_temporary_files(tmp_path)
        locked.append(operation)
        lock(handle, operation)

    def flock(handle, operation):
        (late if operation == files.fcntl.LOCK_EX else lock)(handle, operation)

    monkeypatch.setattr(files.fcntl, "flock", flock)
    write_json(tmp_path / "a.json", [1])
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert len(locked) == 2


def test_a_write_is_on_the_disk_before_and_after_it_takes_its_name(
    tmp_path, monkeypatch
):
    done = []
    monkeypatch.setattr(files, "flush_to_disk", lambda path: done.append(str(path)))
    move = os.replace

    def replace(source, target):
        done.append("moved")
        move(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    write_json(tmp_path / "a.json", {})
    assert done[0].endswith("-partial.json")
    assert done[1:] == ["moved", str(tmp_path)]


def test_what_a_killed_write_left_is_removed_by_the_next(tmp_path):
    code = (
        "import sys, time\n"
        "from fmkeras.files import replacing\n"
        f"with replacing({str(tmp_path / 'a.json')!r}) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "writing\n"
        # While it lives, its file stays.
        clear_temporary_files(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGKILL)
    write_json(tmp_path / "b.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_a_name_that_is_no_utf_8_is_written_and_read(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xc3\xa9")
    write_json(tmp_path / "a.json", {"file": name})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text)["file"] == name


@pytest.mark.parametrize("name", ["mod\ud800els", "mod\0els"])
@pytest.mark.parametrize("argument", ["out", "runs"])
def test_a_folder_that_cannot_be_named_is_refused_before_any_training(
    argument, name, garments, tmp_path, monkeypatch
):
    """A training was lost at its last save."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="Cannot write to the folder") as caught:
        fmkeras.train(
            "linear", dataset=garments, epochs=1, **{argument: tmp_path / name}
        )
    str(caught.value).encode()
    assert not list(tmp_path.rglob("*.keras"))


def test_there_may_be_no_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("jax") == tmp_path / "fmkeras" / "jax"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder("jax") is None
    # Not absolute: the convention says to ignore it.
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("jax") == tmp_path / ".cache" / "fmkeras" / "jax"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 123_456_789)
    assert cache_folder("jax") is None


def test_a_lock_names_its_owner_and_is_released(tmp_path):
    with locked(tmp_path, "training"):
        with pytest.raises(UserError, match=r"\(training\).*process \d+ on .* since"):
            with locked(tmp_path, "training", patience=0):
                pass
    with locked(tmp_path, "training"), folder_locked(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def folder_with(path, text):
    path.mkdir()
    (path / "a").write_text(text)
    return path


def test_a_folder_is_replaced_as_a_whole_behind_a_link_too(tmp_path):
    real = folder_with(tmp_path / "real", "before")
    link = tmp_path / "link"
    link.symlink_to(real)
    with replacing_folder(link) as staging:
        (staging / "b").write_text("after")
    assert link.is_symlink() and [one.name for one in real.iterdir()] == ["b"]
    assert sorted(tmp_path.iterdir()) == [link, real]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_folder_stays_where_its_replacement_is_interrupted(
    tmp_path, monkeypatch, error
):
    real, moves = os.replace, []

    def replace(source, target):
        moves.append(target)
        if len(moves) == 2:
            raise error
        real(source, target)

    folder = folder_with(tmp_path / "out", "before")
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(error), replacing_folder(folder) as staging:
        (staging / "a").write_text("after")
    assert (folder / "a").read_text() == "before"
    assert list(tmp_path.iterdir()) == [folder]


def test_waiting_for_a_folder_ends_when_it_is_let_go(tmp_path):
    held, lines = threading.Event(), []

    def hold():
        with locked(tmp_path, "training"):
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    assert wait_until_free(tmp_path, lines.append)
    thread.join()
    assert not is_locked(tmp_path)
    assert len(lines) == 1 and "waiting for it" in lines[0]
    assert wait_until_free(tmp_path / "none", lines.append)
    assert len(lines) == 1
    with locked(tmp_path, "training"):
        # It is not waited for longer than there is time.
        assert not wait_until_free(tmp_path, lines.append, time.monotonic())


def test_a_file_that_cannot_be_written_is_told_before_the_work(tmp_path):
    check_file(tmp_path / "new" / "a.json", None)
    assert (tmp_path / "new").is_dir()
    with pytest.raises(CannotWrite, match="is a folder"):
        check_file(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="expected one that can be written"):
        check_file(tmp_path / "file" / "a.json")
