"""Where everything lies: a folder stands for the machine, and its paths for the machine's."""

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from lab import LabError
from lab.layout import ROOT

# What the documents say, and where it is in a lab; a socket's path must be short.
_PLACES = (
    ("/mnt/safe", "safe"),
    ("/var/run/postgresql", "run"),
    ("/etc", "machine/etc"),
    ("/var/lib", "machine/var/lib"),
    ("/var/spool", "machine/var/spool"),
    ("/var/log", "machine/var/log"),
    ("/usr/local", "machine/usr/local"),
)
_PATH = re.compile(
    r"(?<![\w./-])(" + "|".join(re.escape(path) for path, _ in _PLACES) + r")(?![\w-])")
# Begins at /, and is no part of a URL or of another path.
_ABSOLUTE = re.compile(r"(?<![\w./:@~*-])/[\w./*-]*")
# Are read alone, and the same everywhere.
_COMMON = ("/dev/null", "/usr/lib/postgresql")
# Below the ports that the kernel gives to clients.
_PORTS = range(26_100, 29_000)


@dataclass(frozen=True)
class Ports:
    shop: int
    metrics: int
    s3: int
    azure: int

    @staticmethod
    def free() -> "Ports":
        found: list[int] = []
        for port in _PORTS:
            if len(found) < 4 and _is_free(port):
                found.append(port)
        if len(found) < 4:
            raise LabError("no free ports for the lab")
        return Ports(*found)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Place:
    """A lab's folder; `machine` in it burns down, the rest is elsewhere."""

    folder: Path
    ports: Ports

    @property
    def machine(self) -> Path:
        return self.folder / "machine"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def safe(self) -> Path:
        return self.folder / "safe"

    @property
    def tools(self) -> Path:
        """Programs that stand in for those of a whole system."""
        return self.folder / "tools"

    @property
    def clouds(self) -> Path:
        return self.folder / "clouds"

    def at(self, path: str) -> Path:
        """A path of the documents."""
        return Path(self.mapped(path))

    def mapped(self, text: str) -> str:
        """A command or a file of the documents, with the lab's paths and ports."""
        places = dict(_PLACES)
        own = f"{self.folder}/"

        def there(found: re.Match) -> str:
            # What is the lab's already.
            if found.string.startswith(own, found.start()):
                return found[0]
            return str(self.folder / places[found[1]])

        text = _PATH.sub(there, text)
        text = re.sub(r"(--directory) /(?=\s|$)", lambda found: f"{found[1]} {self.machine}", text)
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.ports.shop}")
        return text.replace("127.0.0.1:9464", f"127.0.0.1:{self.ports.metrics}")

    def strangers(self, text: str) -> list[str]:
        """Paths of the documents that are left when all known ones are the lab's."""
        known = (str(self.folder), *_COMMON)
        found = _ABSOLUTE.findall(self.mapped(text))
        return [path for path in found
                if ".." in path or not any(path == one or path.startswith(f"{one}/") for one in known)]


def tool_files() -> list[Path]:
    return sorted((ROOT / "ops" / "backup" / "tools").iterdir())
