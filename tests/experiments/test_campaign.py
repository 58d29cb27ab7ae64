"""A campaign runs commands until its time is up, and packs what they recorded."""

import os
import subprocess
import sys
import tarfile
import time

import pytest

from fmkeras.cli.parser import build_parser
from fmkeras.experiments import campaign
from fmkeras.models import list_models

# A command of the tests instead of one of fmkeras: Python runs its text.
RUN = "import sys; exec(sys.argv[-1])"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run pieces of Python as commands; return code, lines, names in the archive."""
    started = subprocess.Popen

    def start(command, **options):
        return started([sys.executable, "-c", RUN, command[-1]], **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(campaign.subprocess, "Popen", start)
    (tmp_path / "records").mkdir()
    before = tmp_path / "records/before.json"
    before.write_text("{}")
    os.utime(before, (1, 1))

    def run(*texts, seconds=60.0):
        lines = []
        code = campaign.run_campaign(
            [[text] for text in texts],
            "out",
            seconds / 60,
            records=campaign.Path("records"),
            log=lines.append,
        )
        with tarfile.open("out/records.tar.gz") as archive:
            return code, lines, archive.getnames()

    return run


WRITE = "open('records/{}.json', 'w').write('[]')"


def test_what_was_recorded_meanwhile_is_packed(run):
    code, lines, names = run(WRITE.format("one"), WRITE.format("two"))
    assert code == 0
    assert names == ["records/one.json", "records/two.json"]
    assert [line.split(" (at most")[0] for line in lines] == [
        f"fmkeras {WRITE.format(name)}" for name in ("one", "two")
    ]


def test_what_earlier_campaigns_packed_stays(run):
    run(WRITE.format("one"))
    os.utime("records/one.json", (1, 1))
    names = run(WRITE.format("two"))[2]
    assert names == ["records/one.json", "records/two.json"]


def test_a_command_that_fails_is_passed_over(run):
    code, lines, names = run("raise SystemExit(2)", WRITE.format("two"))
    assert (code, names) == (1, ["records/two.json"])
    assert "Exit code 2: fmkeras raise SystemExit(2)" in lines


def test_when_the_time_is_up_all_that_runs_is_told_to_stop(run, monkeypatch):
    monkeypatch.setattr(campaign, "LEAST_SECONDS", 0.5)
    # It has started another, as repeat does; both are told as by Ctrl-C.
    waits = (
        "import subprocess, sys, time\n"
        "inner = '''import time\n"
        "try: time.sleep(60)\n"
        'except KeyboardInterrupt: open("records/inner.json", "w").close()\'\'\'\n'
        "child = subprocess.Popen([sys.executable, '-c', inner])\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt: child.wait()"
    )
    begin = time.monotonic()
    code, lines, names = run(waits, WRITE.format("never"), seconds=6.0)
    assert time.monotonic() - begin < 30
    assert (code, names) == (2, ["records/inner.json"])
    assert "The time is up" in lines[-1]


def test_who_does_not_listen_is_killed(run, monkeypatch):
    monkeypatch.setattr(campaign, "LEAST_SECONDS", 0.5)
    monkeypatch.setattr(campaign, "GRACE_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    begin = time.monotonic()
    code, _, names = run(deaf + "time.sleep(60)", seconds=3.0)
    assert time.monotonic() - begin < 20
    assert (code, names) == (1, [])


def test_too_little_time_starts_nothing(run):
    assert run(WRITE.format("one"), seconds=1.0) == (1, [], [])


def test_a_protocol_that_has_a_record_is_not_run_again(tmp_path):
    """One in float32 is no run in bfloat16: the command that met it failed."""
    record = tmp_path / "published/nin-torch-seed0.json"
    record.parent.mkdir()
    record.write_text("{}")
    commands = campaign.commands_of("large", "gpu", tmp_path)
    names = [command[command.index("--model") + 1] for command in commands]
    assert names == [name for name in campaign.LARGE if name != "nin"]


def test_every_command_is_one_of_the_command_line(tmp_path):
    parser = build_parser()
    for part in campaign.PARTS:
        commands = campaign.commands_of(part, "gpu", tmp_path)
        assert commands
        for command in commands:
            options = parser.parse_args(command)
            assert options.run.__name__ == command[0]
            names = options.model or []
            names = [names] if isinstance(names, str) else names
            assert set(names) <= set(list_models(variants=True))
    assert parser.parse_args(["campaign"]).part == campaign.PARTS


def test_what_an_interrupted_command_recorded_is_packed(run, monkeypatch):
    real = campaign._run

    def interrupted(command, seconds):
        assert real(command, seconds) == 0
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(WRITE.format("one"))
    with tarfile.open("out/records.tar.gz") as archive:
        assert archive.getnames() == ["records/one.json"]
