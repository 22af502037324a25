"""Which user of the system runs the lab's programs, and in which folder their files lie.

PostgreSQL refuses to run as root. Root's labs run as `postgres`, else `nobody`, and lie where that
user can go; everybody else's run as they themselves.
"""

import hashlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import LabError

CANDIDATES = ("postgres", "_postgres", "nobody")
# Where root's labs go when the user can't enter the wanted folder, in this order.
SYSTEM_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))
# A Unix socket's path has 107 bytes, and ours are some folders further down.
PATH_BYTES_MAX = 70


@dataclass(frozen=True)
class Account:
    """The user that the programs run as; `switches` when it isn't the one we are."""

    uid: int
    gid: int
    switches: bool

    @staticmethod
    def choose() -> "Account":
        if os.getuid() != 0:
            return Account(os.getuid(), os.getgid(), False)
        for name in CANDIDATES:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return Account(entry.pw_uid, entry.pw_gid, True)
        raise LabError("neither the user postgres nor nobody exists, and PostgreSQL refuses root")

    def popen_options(self) -> dict:
        if not self.switches:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def prefix(self) -> list[str]:
        """The same for programs that something else starts first, which must be root."""
        if not self.switches:
            return []
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--"]

    def give(self, path: Path) -> None:
        if self.switches:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def make_folder(self, path: Path) -> Path:
        """A private folder of this user."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path

    def write(self, path: Path, text: str) -> Path:
        """A private file of this user."""
        write_private(path, text)
        self.give(path)
        return path

    def can(self, *command: str) -> bool:
        """Tried, since mode bits aren't the whole story."""
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False, **self.popen_options(),
        )
        return done.returncode == 0


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others in between."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(new, path)


def settle(wanted: Path, account: Account) -> Path:
    """The folder for all labs of this checkout; the same each time."""
    wanted = wanted.resolve()
    hashed = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    elsewhere = [folder / f"stagedoor-cluster-{hashed}" for folder in SYSTEM_FOLDERS]
    for folder in elsewhere:
        # What was made there once is found again, also if the wanted folder can be entered now.
        if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            return folder
    tried = [wanted] if not account.switches else [wanted, *elsewhere]
    if len(os.fsencode(wanted)) > PATH_BYTES_MAX:
        tried = elsewhere
    for folder in tried:
        if _claim(folder, account):
            return folder
    raise LabError(f"no folder for the lab: {', '.join(map(str, tried))} can't be used")


def _claim(folder: Path, account: Account) -> bool:
    made = not folder.exists()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o711 if account.switches else 0o700, exist_ok=True)
    except OSError:
        return False
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return False
    if account.can("/bin/sh", "-c", 'cd "$1"', "sh", str(folder)):
        return True
    if made:
        folder.rmdir()
    return False
