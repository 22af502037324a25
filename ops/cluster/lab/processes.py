"""Starts the lab's processes and finds them again, by marks that can't be mistaken.

Each process has the lab's folder and its part in its environment; PostgreSQL's, which rewrite
theirs, run in a folder of their part; the servers, which show theirs to root alone, are programs in
their part's folder. Nothing is ever ended by a name.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .account import Account

# Not STAGEDOOR_…, whose unknown variables the product refuses.
FOLDER_MARK = "CLUSTER_LAB_FOLDER"
PART_MARK = "CLUSTER_LAB_PART"


@dataclass(frozen=True)
class Process:
    pid: int
    part: str
    # With the process id it names a process for ever.
    started: str
    command: str


@dataclass(frozen=True)
class Spawner:
    """Starts processes of the lab in this folder, as its user."""

    account: Account
    folder: Path

    def start(self, part: str, command: list[str], log: Path, *,
              environment: dict[str, str] | None = None, namespace: str | None = None) -> int:
        """Starts one that outlives us, in the folder of its part; returns its id."""
        options = self.account.popen_options()
        if namespace:
            # Entering a namespace is root's; the user changes behind it.
            enter = ["nsenter", f"--net=/run/netns/{namespace}", "--", *self.account.prefix()]
            command, options = [*enter, *command], {}
        with open(log, "ab") as output:
            self.account.give(log)
            child = subprocess.Popen(
                command, cwd=self.folder / part.split("/")[0], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                    "LC_ALL": "C.UTF-8",
                    "HOME": str(self.folder),
                    FOLDER_MARK: str(self.folder),
                    PART_MARK: part,
                    **(environment or {}),
                },
                **options,
            )
        return child.pid


def find(folder: Path, parts: Iterable[str] | None = None) -> list[Process]:
    """The lab's living processes, of these parts (`n1/etcd`, or `n1` for all of the node)."""
    wanted = None if parts is None else tuple(parts)
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        process = _look(int(entry.name), folder)
        if process and (wanted is None or _is_of(process.part, wanted)):
            found.append(process)
    return found


def _is_of(part: str, wanted: tuple[str, ...]) -> bool:
    return any(part == one or part.startswith(one + "/") for one in wanted)


def _look(pid: int, folder: Path) -> Process | None:
    proc = Path("/proc") / str(pid)
    try:
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        if fields[0] in "ZX":
            return None
        words = (proc / "cmdline").read_bytes().decode(errors="replace").split("\0")
        part = _part(proc, words[0], folder)
        return Process(pid, part, fields[19], " ".join(words).strip()) if part else None
    except (OSError, IndexError):
        return None


def _part(proc: Path, program: str, folder: Path) -> str | None:
    """Of which part of the lab this process is, if it is of this lab at all."""
    place = Path(program)
    if place.is_relative_to(folder):
        return f"{place.relative_to(folder).parts[0]}/serve"
    if os.path.basename(os.readlink(proc / "exe")).removesuffix(" (deleted)") == "postgres":
        place = Path(os.readlink(proc / "cwd"))
        ours = place.is_relative_to(folder)
        return f"{place.relative_to(folder).parts[0]}/postgres" if ours else None
    lines = (proc / "environ").read_bytes().decode(errors="replace").split("\0")
    marks = dict(line.split("=", 1) for line in lines if "=" in line)
    return marks.get(PART_MARK) if marks.get(FOLDER_MARK) == str(folder) else None


def is_alive(process: Process) -> bool:
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX" and fields[19] == process.started


def send(processes: Iterable[Process], number: signal.Signals) -> None:
    """A signal to each that is still the one that was found."""
    for process in processes:
        if is_alive(process):
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                pass


def wait_gone(processes: list[Process], seconds: float) -> list[Process]:
    """Who is still there after this time."""
    limit = time.monotonic() + seconds
    while True:
        processes = [process for process in processes if is_alive(process)]
        if not processes or time.monotonic() > limit:
            return processes
        time.sleep(0.05)


def stop(processes: list[Process], seconds: float, number: signal.Signals = signal.SIGTERM) -> None:
    """Asks them to end, and ends them when they don't."""
    send(processes, number)
    stubborn = wait_gone(processes, seconds)
    send(stubborn, signal.SIGKILL)
    wait_gone(stubborn, 5)


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.splitlines()[-lines:])
