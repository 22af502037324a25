"""Names, addresses, ports and folders of a lab; nothing here starts or writes anything."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

ROOT = Path(__file__).resolve().parents[3]
OPS = ROOT / "ops"

DATABASE = "stagedoor"
CLUSTER = "stagedoor"
# Also names of network interfaces, which have 15 bytes.
PARTS = ("n1", "n2", "n3")

# On loopback; below the ports that the kernel gives to clients. A lab's offset is added.
POSTGRES, PATRONI, ETCD, ETCD_PEER = 25432, 28008, 22379, 22380
WRITE, READ, HTTP, HTTPS = 25000, 25001, 25080, 25443
SERVERS = (25081, 25082)
METRICS = (25091, 25092)


@dataclass(frozen=True)
class Node:
    """One machine of the database."""

    name: str
    address: str
    folder: Path
    postgres_port: int
    patroni_port: int
    etcd_port: int
    etcd_peer_port: int
    namespace: str | None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def tls(self) -> Path:
        return self.folder / "tls"

    @property
    def log(self) -> Path:
        return self.folder / "log"


@dataclass(frozen=True)
class Server:
    """One `stagedoor serve`; `way` is how it finds the primary."""

    name: str
    way: str
    folder: Path
    port: int
    metrics_port: int


@dataclass(frozen=True)
class Layout:
    """A whole lab."""

    name: str
    offset: int
    namespaces: bool
    folder: Path

    @property
    def hub(self) -> str:
        """Where HAProxy and the servers listen."""
        return "10.77.0.1" if self.namespaces else "127.0.0.1"

    @property
    def namespace(self) -> str | None:
        """The network namespace of HAProxy and the servers; the nodes' have a suffix."""
        if not self.namespaces:
            return None
        # Labs of other checkouts may have the same name.
        checkout = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:4]
        return f"stagedoor-{checkout}-{self.name}"

    @property
    def nodes(self) -> list[Node]:
        network = "10.77.0" if self.namespaces else "127.0.1"
        return [
            Node(
                name=name,
                address=f"{network}.{10 + number}",
                folder=self.folder / name,
                postgres_port=POSTGRES + self.offset,
                patroni_port=PATRONI + self.offset,
                etcd_port=ETCD + self.offset,
                etcd_peer_port=ETCD_PEER + self.offset,
                namespace=f"{self.namespace}-{name}" if self.namespaces else None,
            )
            for number, name in enumerate(PARTS, 1)
        ]

    @property
    def servers(self) -> list[Server]:
        return [
            Server(f"web{number}", way, self.folder / f"web{number}",
                   SERVERS[number - 1] + self.offset, METRICS[number - 1] + self.offset)
            for number, way in enumerate(("haproxy", "direct"), 1)
        ]

    @property
    def write_port(self) -> int:
        return WRITE + self.offset

    @property
    def read_port(self) -> int:
        return READ + self.offset

    @property
    def http_port(self) -> int:
        return HTTP + self.offset

    @property
    def https_port(self) -> int:
        return HTTPS + self.offset

    @property
    def base_url(self) -> str:
        return f"http://{self.hub}:{self.http_port}"

    @property
    def authority(self) -> Path:
        """The certificate that everybody trusts."""
        return self.folder / "haproxy" / "ca.crt"

    @property
    def state(self) -> Path:
        """What other programs read of the lab; there while it is up."""
        return ROOT / ".stagedoor" / f"{self.name}.json"

    def listeners(self) -> list[tuple[str, int, str]]:
        """Address, port and purpose of all that will listen."""
        found = [
            (self.hub, self.write_port, "HAProxy to the primary"),
            (self.hub, self.read_port, "HAProxy to the standbys"),
            (self.hub, self.http_port, "HAProxy to the shop"),
            (self.hub, self.https_port, "HAProxy to the shop, with TLS"),
        ]
        for server in self.servers:
            found.append((self.hub, server.port, f"{server.name}"))
            found.append((self.hub, server.metrics_port, f"{server.name}'s metrics"))
        for node in self.nodes:
            found.append((node.address, node.postgres_port, f"PostgreSQL of {node.name}"))
            found.append((node.address, node.patroni_port, f"Patroni of {node.name}"))
            found.append((node.address, node.etcd_port, f"etcd of {node.name}"))
            found.append((node.address, node.etcd_peer_port, f"etcd's peers of {node.name}"))
        return found

    def url(self, user: str, password: str, where: str = "write", database: str = DATABASE) -> str:
        """A libpq URI: HAProxy's `write` or `read` port, one node's name, or `direct`."""
        parameters = {"sslmode": "verify-full", "sslrootcert": os.fspath(self.authority)}
        if where in ("write", "read"):
            hosts = f"{self.hub}:{self.write_port if where == 'write' else self.read_port}"
        else:
            wanted = [node for node in self.nodes if where in ("direct", node.name)]
            hosts = ",".join(f"{node.address}:{node.postgres_port}" for node in wanted)
        if where == "direct":
            parameters["target_session_attrs"] = "read-write"
        query = urlencode(parameters, safe="/")
        return f"postgresql://{quote(user)}:{quote(password)}@{hosts}/{database}?{query}"
