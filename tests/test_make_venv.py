"""What `make` makes environments with: whole or made anew, whoever is killed."""

import shutil
import time
from random import Random

import pytest
from support.setups import Setup

pytestmark = pytest.mark.skipif(not shutil.which("flock"), reason="needs flock")


def test_two_at_once_make_one_environment(tmp_path):
    setup = Setup(tmp_path)
    both = [setup.start(), setup.start(".ready-to-test")]
    texts = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert "".join(texts).count("Another make is at work") == 1
    assert "".join(texts).count("a few minutes, once") == 1
    assert not setup.problems()
    assert (setup.venv / ".ready").exists()
    assert (setup.venv / ".ready-to-test").exists()


def test_one_that_was_killed_is_made_anew_by_the_next(tmp_path):
    setup, random = Setup(tmp_path), Random(0)
    for number in range(12):
        process = setup.start((".ready", ".ready-to-test")[number % 2])
        time.sleep(random.uniform(0, 0.2))
        setup.kill(process)
        # What says that it is ready is.
        if (setup.venv / ".ready").exists():
            assert not set(setup.problems()) - {".building"}
    process = setup.start()
    text, _ = process.communicate()
    assert process.returncode == 0, text
    assert not setup.problems()
    assert (setup.venv / ".ready").exists()


def test_half_a_removed_environment_is_not_taken_for_whole(tmp_path):
    setup = Setup(tmp_path)
    setup.start().communicate()
    # As a removal that was killed left it in former times: pip is there.
    (setup.venv / ".building").touch()
    (setup.venv / "packages/a").unlink()
    gone = setup.venv.with_name(setup.venv.name + ".gone")
    gone.mkdir()
    text, _ = setup.start().communicate()
    assert "a few minutes, once" in text
    assert not setup.problems()
    assert not gone.exists()


def test_an_update_that_is_killed_leaves_nothing_ready(tmp_path):
    setup = Setup(tmp_path)
    setup.start().communicate()
    process = setup.start(".ready-to-test", pace="9")
    while not (setup.venv / ".was-ready").exists():
        time.sleep(0.001)
    setup.kill(process)
    assert not (setup.venv / ".ready").exists()
    assert not (setup.venv / ".ready-to-test").exists()
    process = setup.start()
    assert "a few minutes, once" in process.communicate()[0]
    assert process.returncode == 0
    assert not setup.problems()
