"""Several workers: the chief, its watch over them, and the death of one."""

import json
import os
import re
import signal
import socket
import threading
import time
from types import SimpleNamespace

import grpc
import pytest
from keras_tuner.src.distribute.oracle_client import OracleClient
from support.tuning import GRID, RANGES, figures, search, search_arguments, start

from fmkeras.errors import UserError
from tuner.cli import build_parser, make_settings
from tuner.distributed import heartbeat
from tuner.distributed.chief import Chief
from tuner.distributed.heartbeat import Heartbeat, trial_of
from tuner.distributed.token import FILE
from tuner.distributed.workers import Workers, share_of_cores
from tuner.run import search_with_workers
from tuner.search import Search, build_oracle
from tuner.settings import save_or_check
from tuner.trials import files as trial_files


@pytest.fixture
def begun(tmp_path):
    """The settings and the folder of a grid of four trials."""
    words = search_arguments(tmp_path, "g", GRID, "--search", "grid")
    settings = make_settings(build_parser().parse_args(words))
    folder = tmp_path / "tune-g"
    save_or_check(folder, settings)
    return settings, folder


def trained(self, trial):
    """Stand in for the training of a trial."""
    values = trial_files.read_plan(self.folder, trial.trial_id)["values"]
    outcome = {
        "state": trial_files.FINISHED,
        "kept_epoch": 1,
        # No float of 32 bits: figures must not go through KerasTuner's messages.
        "val_accuracy": values["batch_size"] / 1000,
        "val_loss": values["learning_rate"],
    }
    trial_files.write_outcome(self.folder, trial.trial_id, outcome)


def join_as(monkeypatch, chief, name):
    host, _, port = chief.address.rpartition(":")
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", host)
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", port)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", name)


def until_done(chief):
    end = time.monotonic() + 60
    while not chief.is_done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_gets_exact_values_and_the_chief_exact_figures(begun, monkeypatch):
    settings, folder = begun
    monkeypatch.setattr(Search, "run_trial", trained)
    oracle = build_oracle(settings, folder)
    with Chief(oracle, "127.0.0.1:0") as chief:
        join_as(monkeypatch, chief, "a")
        worker = Search(build_oracle(settings, folder), settings, None, folder)
        thread = threading.Thread(target=worker.search)
        thread.start()
        until_done(chief)
        thread.join()
    assert [trial.status for trial in oracle.trials.values()] == ["COMPLETED"] * 4
    assert {trial.score for trial in oracle.trials.values()} == {0.045, 0.09}
    rates = [trial.hyperparameters["learning_rate"] for trial in oracle.trials.values()]
    assert rates == [0.01, 0.001] * 2


def test_the_trial_of_a_silent_worker_goes_to_another(begun, monkeypatch):
    settings, folder = begun
    monkeypatch.setattr(Search, "run_trial", trained)
    monkeypatch.setattr(heartbeat, "SECONDS", 0.05)
    oracle = build_oracle(settings, folder)
    lost = oracle.create_trial("lost")
    heart = Heartbeat(folder, "a")
    with Chief(oracle, "127.0.0.1:0", silence=0.5) as chief, heart.running():
        assert not chief.is_done()
        join_as(monkeypatch, chief, "a")
        worker = Search(build_oracle(settings, folder), settings, None, folder, heart)
        thread = threading.Thread(target=worker.search)
        thread.start()
        until_done(chief)
        thread.join()
    assert set(oracle.end_order) == {"0", "1", "2", "3"}
    # It was not lost at all, and tells what it found: that changes nothing.
    oracle.end_trial(lost)
    assert sorted(oracle.end_order) == ["0", "1", "2", "3"]


def test_a_worker_that_was_taken_for_dead_may_still_tell(begun):
    settings, folder = begun
    oracle = build_oracle(settings, folder)
    slow = oracle.create_trial("slow")
    oracle.release(set())
    trained(SimpleNamespace(folder=folder), slow)
    oracle.end_trial(slow)
    assert oracle.create_trial("other").trial_id == "1"
    assert oracle.end_order == ["0"]


def test_a_chief_without_workers_does_not_wait_for_ever(begun):
    settings, folder = begun
    with Chief(build_oracle(settings, folder), "127.0.0.1:0", patience=0.2) as chief:
        with pytest.raises(UserError, match="No worker for 0 seconds"):
            until_done(chief)


def test_a_chief_says_the_command_of_a_worker(begun, monkeypatch, capsys):
    settings, folder = begun
    folder = folder.rename(folder.with_name("tune-my grid"))

    def is_done(chief):
        raise KeyboardInterrupt

    monkeypatch.setattr(Chief, "is_done", is_done)
    monkeypatch.setenv("FMKERAS_USED_BY", "fmkeras")
    with pytest.raises(KeyboardInterrupt):
        search_with_workers(settings, folder, "127.0.0.1:0", [])
    command = r"fmkeras tune worker --chief HOST:\d+ --resume '.*/tune-my grid'"
    assert re.search(f"shares '.*': {command}\n", capsys.readouterr().out)


def test_a_call_without_the_token_is_refused(begun, monkeypatch):
    settings, folder = begun
    oracle = build_oracle(settings, folder)
    with Chief(oracle, "127.0.0.1:0") as chief:
        assert (folder / FILE).stat().st_mode & 0o777 == 0o600
        join_as(monkeypatch, chief, "stranger")
        # KerasTuner's own client, which knows of no token.
        client = OracleClient(oracle)
        for call in (client.get_space, lambda: client.create_trial("stranger")):
            with pytest.raises(grpc.RpcError) as error:
                call()
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert oracle.trials == {}
        worker = Search(build_oracle(settings, folder), settings, None, folder)
        assert worker.oracle.create_trial("stranger").trial_id == "0"
        with pytest.raises(grpc.RpcError) as error:
            worker.oracle.get_trial("of another search")
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
    (folder / FILE).unlink()
    with pytest.raises(UserError, match="token of the chief cannot be read"):
        Search(build_oracle(settings, folder), settings, None, folder)


def test_a_port_in_use_or_no_address_is_one_line(begun):
    settings, folder = begun
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = f"127.0.0.1:{taken.getsockname()[1]}"
        for address in (used, "256.0.0.1:1"):
            with pytest.raises(UserError, match="The chief cannot listen") as error:
                Chief(build_oracle(settings, folder), address)
            assert "\n" not in str(error.value)
    # Two chiefs would share a port by turns, and so would their workers' calls.
    with Chief(build_oracle(settings, folder), "127.0.0.1:0") as chief:
        with pytest.raises(UserError, match="The chief cannot listen"):
            Chief(build_oracle(settings, folder), chief.address)


def test_an_error_of_the_oracle_ends_the_chief(begun, monkeypatch):
    settings, folder = begun
    oracle = build_oracle(settings, folder)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with Chief(oracle, "127.0.0.1:0") as chief:
        join_as(monkeypatch, chief, "a")
        worker = Search(build_oracle(settings, folder), settings, None, folder)
        monkeypatch.setattr(type(oracle), "save", full)
        with pytest.raises(Exception, match="No space left"):
            worker.search()
        with pytest.raises(OSError, match="No space left"):
            until_done(chief)


def test_a_trial_that_kills_its_worker_again_and_again_has_failed(tmp_path, capsys):
    workers = Workers(tmp_path, "127.0.0.1:1", ["a"], [])
    heart = Heartbeat(tmp_path, "a")
    heart.trial = "7"
    heart.beat()
    assert trial_of(tmp_path, "a") == "7"
    for count in range(3):
        assert trial_files.read_outcome(tmp_path, "7") is None, count
        workers._note_death("a", -9)
    outcome = trial_files.read_outcome(tmp_path, "7")
    assert outcome["state"] == "failed"
    assert outcome["reason"] == "its process died 3 times at epoch 1 (SIGKILL)"
    assert "[a] died (SIGKILL); started again." in capsys.readouterr().out


def test_a_worker_that_never_gets_to_a_trial_ends_the_search(tmp_path):
    workers = Workers(tmp_path, "127.0.0.1:1", ["a"], [])
    workers._note_death("a", 1)
    workers._note_death("a", 1)
    with pytest.raises(UserError, match="died 3 times before it had a trial"):
        workers._note_death("a", 1)


def test_the_cores_are_shared_out():
    cores = sorted(os.sched_getaffinity(0))
    for count in (1, 2, len(cores) + 1):
        shares = [share_of_cores(number, count) for number in range(count)]
        assert all(shares) and {c for share in shares for c in share} == set(cores)
        if count <= len(cores):
            assert sum(map(len, shares)) == len(cores)


@pytest.mark.slow
def test_two_workers_one_killed_in_the_middle_of_a_trial(tmp_path):
    space = GRID | {"recipe": GRID["recipe"] | {"epochs": 120}}
    whole = search_arguments(tmp_path, "whole", space, "--search", "grid")
    assert search(whole) == 0
    arguments = search_arguments(tmp_path, "two", space, "--search", "grid")
    folder = tmp_path / "tune-two"
    process = start([*arguments, "--workers", "2"])
    end = time.monotonic() + 300
    killed = None
    while killed is None:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
        for path in folder.glob("workers/*.json"):
            worker = json.loads(path.read_text())
            if len(trial_files.read_history(folder, worker["trial"] or "none")) > 20:
                os.kill(worker["process"], signal.SIGKILL)
                killed = worker["trial"]
                break
    assert process.wait(timeout=300) == 0
    assert figures(folder) == figures(tmp_path / "tune-whole")
    record = json.loads((folder / "trials.json").read_text())
    assert len(record["trials"]) == 4 and killed in "0123"


@pytest.mark.slow
def test_a_chief_and_a_worker_started_apart(tmp_path):
    flags = ("--search", "random", "--trials", "3")
    assert search(search_arguments(tmp_path, "whole", RANGES, *flags)) == 0
    arguments = search_arguments(tmp_path, "apart", RANGES, *flags)
    folder = tmp_path / "tune-apart"
    address = ["--host", "127.0.0.1", "--port", "18765"]
    chief = start(["chief", *arguments[1:], *address])
    while not (folder / "settings.json").exists():
        assert chief.poll() is None
        time.sleep(0.1)
    command = ["worker", "--chief", "127.0.0.1:18765", "--resume", str(folder)]
    worker = start(command)
    assert worker.wait(timeout=300) == 0 and chief.wait(timeout=60) == 0
    assert figures(folder) == figures(tmp_path / "tune-whole")
