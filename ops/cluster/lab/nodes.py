"""Starts and kills the parts of a node, and brings a damaged lab back to three members."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import LabError, network, processes
from .account import Account
from .cluster import Cluster
from .layout import Layout, Node
from .programs import Programs

INIT = Path(__file__).with_name("init.py").read_text(encoding="utf-8")
# pg_rewind takes seconds, a new base backup of a small database not many more.
WHOLE_SECONDS = 90.0
STOP_SECONDS = 20.0


class Nodes:
    """The machines of a lab, from the point of view of who may pull their plugs."""

    def __init__(self, layout: Layout, account: Account, programs: Programs, cluster: Cluster):
        self.layout = layout
        self.account = account
        self.programs = programs
        self.cluster = cluster

    def start_etcd(self, node: Node) -> int:
        return self._spawn(node, "etcd", [self.programs.etcd, "--config-file",
                                          str(node.folder / "etcd.yml")])

    def start_patroni(self, node: Node) -> int:
        passwords = self.cluster.passwords
        logins = {"SUPERUSER": ("postgres", "superuser"),
                  "REPLICATION": ("replicator", "replication"),
                  "REWIND": ("rewinder", "rewind"), "RESTAPI": ("patroni", "restapi")}
        environment = {}
        for variable, (user, login) in logins.items():
            environment[f"PATRONI_{variable}_USERNAME"] = user
            environment[f"PATRONI_{variable}_PASSWORD"] = passwords[login]
        command = [str(self.programs.patroni), str(node.folder / "patroni.yml")]
        return self._spawn(node, "patroni", command, environment)

    def start_apart(self, node: Node) -> int:
        """What keeps etcd's leader off the primary's machine."""
        command = [str(self.programs.patroni.with_name("python")), "-I",
                   str(self.layout.folder / "etcd_apart.py"), str(node.folder / "patroni.yml")]
        return self._spawn(node, "apart", command)

    def _spawn(self, node: Node, part: str, command: list[str], environment=None) -> int:
        spawner = processes.Spawner(self.account, self.layout.folder)
        python = str(self.programs.patroni.with_name("python"))
        command = [python, "-I", "-c", INIT, processes.PART_MARK, f"{node.name}/{part}", *command]
        return spawner.start(f"{node.name}/init", command, node.log / f"{part}.out",
                             environment=environment, namespace=node.namespace)

    def of(self, node: Node, *parts: str) -> list[processes.Process]:
        wanted = [f"{node.name}/{part}" for part in parts] or [node.name]
        return processes.find(self.layout.folder, wanted)

    def kill(self, node: Node, *parts: str) -> None:
        """`kill -9` of these parts of a node (`etcd`, `patroni`, `postgres`), or of all of it."""
        found = self.of(node, *parts)
        if not found:
            raise LabError(f"{node.name} has no {' or '.join(parts) or 'process'} to kill")
        self._note_shared_memory(node)
        processes.send(found, signal.SIGKILL)
        # PostgreSQL's children that came while we looked.
        for _ in range(3):
            processes.send(self.of(node, *parts), signal.SIGKILL)
        if processes.wait_gone(found, 5):
            raise LabError(f"processes of {node.name} outlive kill -9")

    def kill_postmaster(self, node: Node) -> None:
        """Only PostgreSQL's first process; the others notice and end by themselves."""
        pid = postmaster(node)
        found = [process for process in self.of(node, "postgres") if process.pid == pid]
        if not found:
            raise LabError(f"PostgreSQL of {node.name} doesn't run")
        self._note_shared_memory(node)
        processes.send(found, signal.SIGKILL)

    def _note_shared_memory(self, node: Node) -> None:
        """What `kill -9` leaves: the next start frees it, or else `free_shared_memory`."""
        found = set()
        for process in self.of(node, "postgres"):
            try:
                maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
            except OSError:
                continue
            for line in maps:
                place = line.split(maxsplit=5)
                if len(place) == 6 and place[5].startswith("/dev/shm/PostgreSQL."):
                    found.add(place[5].removesuffix(" (deleted)"))
                elif len(place) == 6 and place[5].startswith("/SYSV"):
                    found.add(f"sysv {place[4]}")
        with open(_notes(node), "a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in sorted(found))

    def walreceiver(self, node: Node) -> list[processes.Process]:
        return [one for one in self.of(node, "postgres") if "walreceiver" in one.command]

    def mend(self) -> None:
        """Starts what is missing, plugs in what is unplugged, wakes what sleeps."""
        for node in self.layout.nodes:
            if node.namespace:
                network.set_link(self.layout, node.name, True)
            found = self.of(node)
            processes.send(found, signal.SIGCONT)
            parts = {process.part for process in found}
            if f"{node.name}/etcd" not in parts:
                self.start_etcd(node)
            if f"{node.name}/patroni" not in parts:
                self.start_patroni(node)
            if f"{node.name}/apart" not in parts:
                self.start_apart(node)

    def rejoin(self, seconds: float = WHOLE_SECONDS) -> float:
        """Mends and waits for three members; returns the seconds that it took."""
        started = time.monotonic()
        self.mend()
        self.cluster.wait_whole(seconds)
        return time.monotonic() - started

    def stop_all(self) -> None:
        """All files are removed, so nobody needs a graceful end but those who share memory."""
        folder = self.layout.folder
        everything = processes.find(folder)
        processes.send(everything, signal.SIGCONT)
        # Clients first, whose last requests may still be answered.
        processes.stop([p for p in everything if not re.match(r"n\d/", p.part)], STOP_SECONDS)
        for node in self.layout.nodes:
            processes.stop(self.of(node, "patroni", "etcd"), 5, signal.SIGKILL)
            self._note_shared_memory(node)
        for node in self.layout.nodes:
            pid = postmaster(node)
            # Immediate shutdown: like a crash, but it gives shared memory back.
            processes.stop([p for p in self.of(node, "postgres") if p.pid == pid], 10,
                           signal.SIGQUIT)
        processes.stop(processes.find(folder), 5, signal.SIGKILL)


def postmaster(node: Node) -> int | None:
    """The number in the file may long be another program's: only a server in this folder counts."""
    try:
        pid = int((node.data / "postmaster.pid").read_text().splitlines()[0])
        place = os.readlink(f"/proc/{pid}/cwd")
    except (OSError, ValueError, IndexError):
        return None
    return pid if place == os.path.realpath(node.data) else None


# ---- Shared memory of a PostgreSQL that was killed and never started again ----


def _notes(node: Node) -> Path:
    return node.folder / "shared-memory"


def free_shared_memory(layout: Layout, account: Account) -> None:
    """After everything has stopped."""
    for node in layout.nodes:
        try:
            lines = set(_notes(node).read_text().split("\n")) - {""}
        except OSError:
            continue
        for line in lines:
            kind, _, number = line.partition(" ")
            if kind == "sysv":
                _remove_segment(int(number), account)
            elif line.startswith("/dev/shm/PostgreSQL.") and _owner(line) == account.uid:
                os.unlink(line)


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def _remove_segment(number: int, account: Account) -> None:
    """A System V segment that nobody is attached to."""
    try:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()
    except OSError:
        return
    header = rows[0].split()
    for row in rows[1:]:
        fields = dict(zip(header, row.split()))
        mine = int(fields["shmid"]) == number and int(fields["uid"]) == account.uid
        if mine and fields["nattch"] == "0":
            ipcrm = shutil.which("ipcrm") or "/usr/bin/ipcrm"
            subprocess.run([ipcrm, "-m", str(number)], check=False, capture_output=True)
