"""Each test sends signals to a process of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEAD = """
import os, sys, time
from fmkeras.process import signals
from fmkeras.process.signals import handled, at_once, deferred, check, Interrupted

def ready():
    print("ready", flush=True)

def wait(seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)

def main():
    %s

with handled():
    try:
        main()
    except KeyboardInterrupt as error:
        print("cleared up", flush=True)
        sys.exit(signals.exit_code(error))
"""


def start(body):
    code = HEAD % body.strip().replace("\n", "\n    ")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def end(process, timeout=10):
    """Return exit code, stdout and stderr of a process that is to end."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_once_and_told_by_the_exit_code(number):
    process = start("ready()\nwait()")
    process.send_signal(number)
    assert end(process) == (128 + number, "cleared up\n", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_at_once_what_can_lose_nothing(number):
    process = start("with at_once(lambda: 'goes on so'):\n    ready()\n    wait()")
    process.send_signal(number)
    assert end(process) == (128 + number, "", "\ngoes on so\n")


def test_a_signal_waits_for_what_must_be_whole():
    process = start(
        "with deferred():\n    ready()\n    wait(0.5)\n    print('whole', flush=True)"
    )
    process.send_signal(signal.SIGTERM)
    assert end(process) == (143, "whole\ncleared up\n", "")


def test_a_second_signal_ends_at_once_but_an_echo_of_the_first_does_not():
    process = start("with deferred():\n    ready()\n    wait()")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert end(process, 2) == (143, "", "")


def test_a_signal_that_python_drops_is_sent_again():
    process = start(
        """
class Slow:
    def __del__(self):
        ready()
        wait(0.5)
slow = Slow()
del slow
wait(5)
print("lost", flush=True)
"""
    )
    process.send_signal(signal.SIGINT)
    assert end(process) == (130, "cleared up\n", "")


def test_what_is_started_deaf_stays_deaf():
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    inner = HEAD % "ready(); wait(1); print('done', flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, inner], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=10)[0] == "done\n"
    assert process.returncode == 0


CHILD = """
child = '''
import time
from fmkeras.process import signals
with signals.handled():
    signals.die_with_parent()
    try:
        print("ready", flush=True)
        time.sleep(20)
    except KeyboardInterrupt:
        print("child cleared up", flush=True)
'''
import textwrap
signals.run_child([sys.executable, "-c", textwrap.dedent(child)])
"""


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGKILL))
def test_a_child_ends_with_its_parent_and_clears_up(number):
    process = start(CHILD)
    process.send_signal(number)
    code, out, err = end(process)
    assert out.startswith("child cleared up\n"), err
    assert code == (143 if number == signal.SIGTERM else -9)


def test_nothing_changes_outside_the_block():
    from fmkeras.process.signals import at_once, check, deferred, handled, pending

    before = [signal.getsignal(number) for number in SIGNALS]
    with at_once(), deferred():
        check()
    with handled():
        assert signal.getsignal(signal.SIGTERM) not in before
        with handled(), deferred():
            assert pending() is None
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert len(os.listdir("/proc/self/fd")) < 100
