# SPDX-License-Identifier: Apache-2.0
# Copyright The Sluice Authors
"""confined.py CALLS PROGRAM [ARGUMENT...]: becomes the program, confined the way systemd does it for a unit with
SystemCallFilter= (the names in the file CALLS; others fail with EPERM) and MemoryDenyWriteExecute=yes."""
import ctypes
import os
import sys
from pathlib import Path

ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050001  # <seccomp.h>: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1  # <linux/prctl.h>, Linux 6.3
EINVAL = 22


def filter_calls(names):
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ERRNO_EPERM))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of another architecture
            done = seccomp.seccomp_rule_add_array(context, ALLOW, number, 0, None)
            assert done == 0, (name, done)
    assert seccomp.seccomp_load(context) == 0


def main():
    calls, *argv = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0 and ctypes.get_errno() != EINVAL:
        sys.exit("confined.py: the kernel knows PR_SET_MDWE and refuses it")
    filter_calls(Path(calls).read_text().split())
    os.execvp(argv[0], argv)


main()
