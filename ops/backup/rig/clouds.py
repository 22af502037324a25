"""What plays S3 and Azure: `s3rver` and `azurite`, both behind TLS that pgBackRest verifies."""

import base64
import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import LabError, processes
from lab.account import Account
from lab.cluster import wait_until
from lab.layout import OPS

from .place import Place

PACKAGE = OPS / "backup"
# pgBackRest looks for names alone in certificates, and not for addresses.
HOST = "localhost"
BUCKET = "tickets-backup"
CONTAINER = "tickets-backup"
# The only ones that s3rver knows.
S3_KEY = S3_SECRET = "S3RVER"
ACCOUNT = "stagedoorlab"
LISTEN_SECONDS = 60


@dataclass(frozen=True)
class Clouds:
    place: Place
    account: Account
    # Where npm's packages are.
    modules: Path
    azure_key: str

    @staticmethod
    def prepare(place: Place, account: Account, modules: Path) -> "Clouds":
        account.make_folder(place.clouds)
        for name in ("s3", "azure"):
            account.make_folder(place.clouds / name)
        _certificates(place, account)
        key = base64.b64encode(secrets.token_bytes(64)).decode()
        return Clouds(place, account, modules, key)

    @property
    def authority(self) -> Path:
        return self.place.clouds / "ca.crt"

    def start(self) -> None:
        folder, ports = self.place.clouds, self.place.ports
        tls = ["--cert", str(folder / "host.crt"), "--key", str(folder / "host.key")]
        self._run("s3", "s3rver/bin/s3rver.js", [
            "--directory", str(folder / "s3"), "--address", "127.0.0.1", "--port", str(ports.s3),
            "--no-vhost-buckets", "--silent", "--configure-bucket", BUCKET, *tls])
        self._run("azure", "azurite/dist/src/blob/main.js", [
            "--location", str(folder / "azure"), "--blobHost", "127.0.0.1",
            "--blobPort", str(ports.azure), "--silent", "--disableTelemetry",
            "--skipApiVersionCheck", *tls],
            {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.azure_key}"})
        for name, port in (("s3", ports.s3), ("azure", ports.azure)):
            if not wait_until(lambda port=port: _answers(port), LISTEN_SECONDS):
                raise LabError(f"{name} doesn't listen:\n"
                               f"{processes.tail(folder / f'{name}.log')}")

    def _run(self, name: str, script: str, arguments: list[str], environment=None) -> None:
        spawner = processes.Spawner(self.account, self.place.folder)
        node = shutil.which("node")
        spawner.start(f"clouds/{name}", [node, str(self.modules / script), *arguments],
                      self.place.clouds / f"{name}.log", environment=environment)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _certificates(place: Place, account: Account) -> None:
    ca = place.folder / "ca"
    script = OPS / "certificates" / "make-certificates.sh"
    done = subprocess.run([str(script), str(ca), f"clouds={HOST}"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise LabError(f"{script.name} failed:\n{done.stderr}")
    for name in ("ca.crt", "host.crt", "host.key"):
        account.give(Path(shutil.copy(ca / "clouds" / name, place.clouds / name)))


def install(account: Account, place: Path) -> Path:
    """npm's packages, once, in a folder that is named after what is in it."""
    digest = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = place / f"clouds-{digest}"
    modules = folder / "node_modules"
    if (folder / "done").exists():
        return modules
    print("Installing what plays S3 and Azure, once …", file=sys.stderr, flush=True)
    for old in place.glob("clouds-*"):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(mode=0o755)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGE / name, folder / name)
    # Nothing that a package brings runs here, as root perhaps; neither needs it.
    command = ["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund",
               "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise LabError(f"npm ci failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    subprocess.run(["chmod", "-R", "u+rwX,go+rX,go-w", os.fspath(folder)], check=True)
    if not account.can(shutil.which("node") or "node", "--version"):
        raise LabError("the lab's user can't run node")
    (folder / "done").touch()
    return modules
