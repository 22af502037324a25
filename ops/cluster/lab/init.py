"""A node's first process, as systemd is a machine's: starts a program, and reaps its orphans.

Run as `python -c TEXT VARIABLE PART PROGRAM …`, so that it needs no file that the lab's user may
not read. Process 1 of a container may take a second to reap an orphan; Patroni, which sees an ended
PostgreSQL until then, would wait for it in each switchover.
"""

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    variable, part, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.fork() == 0:
        os.environ[variable] = part
        os.execvp(command[0], command)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


main()
