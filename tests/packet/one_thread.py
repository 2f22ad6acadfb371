# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""Stops one thread of a running process and lets the others run: ptrace(2), where signals stop the process as a whole."""
import ctypes
import os
from pathlib import Path

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_CONT, PTRACE_DETACH = 0x4206, 0x4207, 7, 17
WALL = 0x40000000  # __WALL: threads too

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def threads(pid, name):
    """The ids of the threads of that name."""
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().strip() == name]


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {thread}")


class Stopped:
    """with Stopped(thread): …; inside, it does not turn. One whose process ended meanwhile is given up."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        _ptrace(PTRACE_SEIZE, self.thread)
        _ptrace(PTRACE_INTERRUPT, self.thread)
        assert os.WIFSTOPPED(os.waitpid(self.thread, WALL)[1])
        return self

    def __exit__(self, *_):
        try:
            _ptrace(PTRACE_DETACH, self.thread)
        except OSError:
            self.bury()

    def bury(self):
        """The process cannot be waited for before we, who trace this thread, have seen its end."""
        try:
            while os.WIFSTOPPED(os.waitpid(self.thread, WALL)[1]):
                _ptrace(PTRACE_CONT, self.thread)
        except ChildProcessError:
            pass
