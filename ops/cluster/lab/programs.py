"""The programs that a lab needs: found, or, for Patroni, installed once and kept."""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import LabError
from .account import Account
from .layout import OPS

NEW_ENOUGH = "import venv, ensurepip, sys; assert sys.version_info >= (3, 11)"
REQUIREMENTS = OPS / "patroni" / "requirements.txt"


@dataclass(frozen=True)
class Programs:
    postgres: Path
    etcd: str
    haproxy: str
    patroni: Path


def find(account: Account, place: Path) -> Programs:
    return Programs(
        postgres=postgres(),
        etcd=_program("etcd"),
        haproxy=_program("haproxy"),
        patroni=_patroni(account, place),
    )


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if not found:
        raise LabError(f"{name} is missing: scripts/install-packages.sh cluster")
    return found


def postgres() -> Path:
    """The newest version whose server and client programs are all there."""
    folders = glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin")
    folders.sort(key=lambda folder: int("".join(filter(str.isdigit, folder)) or 0), reverse=True)
    if on_path := shutil.which("initdb"):
        folders.append(os.path.dirname(os.path.realpath(on_path)))
    for folder in map(Path, folders):
        needed = ("initdb", "postgres", "pg_rewind", "pg_basebackup", "psql")
        if all((folder / name).exists() for name in needed):
            return folder
    raise LabError("PostgreSQL's server programs are missing: scripts/install-packages.sh cluster")


def _patroni(account: Account, place: Path) -> Path:
    """Patroni in a virtual environment that is named after what is in it."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = place / f"patroni-{digest}"
    program = folder / "bin" / "patroni"
    if program.exists() and account.can(str(program), "--version"):
        return program
    print("Installing Patroni, once …", file=sys.stderr, flush=True)
    python = _python(account)
    shutil.rmtree(folder, ignore_errors=True)
    for old in place.glob("patroni-*"):
        shutil.rmtree(old, ignore_errors=True)
    try:
        _quietly([python, "-m", "venv", str(folder)])
        _quietly([
            str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check",
            "--no-input", "--require-hashes", "--requirement", str(REQUIREMENTS),
        ])
        # The lab's user reads it and can't change it.
        _quietly(["chmod", "-R", "u+rwX,go+rX,go-w", str(folder)])
        if not account.can(str(program), "--version"):
            raise LabError(f"{program} doesn't run as the lab's user")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return program


def _python(account: Account) -> str:
    """A Python that the lab's user may run and that makes virtual environments."""
    for python in ("/usr/bin/python3", sys.executable, shutil.which("python3")):
        if python and account.can(python, "-c", NEW_ENOUGH):
            return python
    raise LabError(
        "no Python 3.11 with venv that the lab's user may run: scripts/install-packages.sh cluster"
    )


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"{' '.join(command[:4])} … failed:\n{said}")
