"""Work divided among processes, on one machine or several, that share a folder.

Each task has a folder with a lock, which the system releases however its process ends.
So any of the processes may be killed: another takes the task up where it was left.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from fmkeras.files.locks import try_locked

Task = TypeVar("Task")
SECONDS_BETWEEN_LOOKS = 2.0


def divide(
    tasks: Iterable[Task],
    *,
    is_done: Callable[[Task], bool],
    folder_of: Callable[[Task], Path],
    work: Callable[[Task], None],
    what: str,
    log: Callable[[str], None] = print,
    is_over: Callable[[], bool] = lambda: False,
) -> list[Task]:
    """Do every task that is not done, one at a time, in their order.

    A task that another process is at work on is left to it; when no other is left, the
    process waits until it is done, or given up. Returns the tasks that are left where
    `is_over` says that the time is up; none otherwise.

    Args:
        tasks: in the order in which they are to be done.
        is_done: whether the result of a task lies there, of whichever process.
        folder_of: the folder of a task, which gets its lock.
        work: does a task; it is called once for each, also where that then is not
            done, as when a training fails.
        what: names the work to other processes.
        log: takes a line where the process begins to wait.
        is_over: asked before each task and while waiting.
    """
    left, told = list(tasks), False
    while left := [task for task in left if not is_done(task)]:
        if is_over():
            return left
        for task in left:
            with try_locked(folder_of(task), what) as held:
                if not held:
                    continue
                # Another may have ended it between the look and the lock.
                if not is_done(task):
                    work(task)
                left.remove(task)
                break
        else:
            if not told:
                log(f"Other processes are at work on the {len(left)} that are left.")
                told = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return []
