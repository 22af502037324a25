"""A lab's beginning and end."""

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from . import LabError, configure, network, nodes, processes, programs
from .account import Account, settle, write_private
from .cluster import Cluster, NoAnswer, wait_until
from .layout import ROOT, Layout
from .nodes import Nodes
from .product import ADMIN, Product

# A program is seen as such this long after its start, however busy the machine is.
BEGIN_SECONDS = 5
ETCD_SECONDS = 20
PRIMARY_SECONDS = 60
WHOLE_SECONDS = 60
SERVER_SECONDS = 30


class Lab:
    """Everything about one lab."""

    def __init__(self, name: str, offset: int, namespaces: bool):
        self.account = Account.choose()
        place = settle(ROOT / ".stagedoor" / "cluster", self.account)
        self.place = place
        self.layout = Layout(name, offset, namespaces, place / name)
        self._parts: tuple[Nodes, Product, Cluster] | None = None

    @staticmethod
    def running(name: str) -> "Lab":
        """The lab that is up; an error that says so when there is none."""
        try:
            state = json.loads((ROOT / ".stagedoor" / f"{name}.json").read_text())
        except FileNotFoundError:
            raise LabError(f"no lab named {name} is up: make cluster-up") from None
        except PermissionError:
            raise LabError(f"the lab {name} belongs to another user") from None
        return Lab(name, state["offset"], state["namespaces"])

    def _all(self) -> tuple[Nodes, Product, Cluster]:
        if self._parts is None:
            found = programs.find(self.account, self.place)
            cluster = Cluster(self.layout, configure.read_secrets(self.layout), found.postgres)
            self._parts = (
                Nodes(self.layout, self.account, found, cluster),
                Product(self.layout, self.account, cluster),
                cluster,
            )
        return self._parts

    @property
    def nodes(self) -> Nodes:
        return self._all()[0]

    @property
    def product(self) -> Product:
        return self._all()[1]

    @property
    def cluster(self) -> Cluster:
        return self._all()[2]

    def is_up(self) -> bool:
        return self.layout.state.exists() and bool(processes.find(self.layout.folder))

    # ---- Up ----

    def up(self, binary: Path, arguments: list[str]) -> None:
        """Brings it up whole, or leaves nothing; may become a new process inside of its network."""
        # Not inside: the installation may need the machine's network.
        found = programs.find(self.account, self.place)
        inside = self.layout.namespaces and _is_inside(self.layout)
        if not inside:
            self.clear()
            if self.layout.namespaces:
                if refusal := network.refusal():
                    raise LabError(refusal)
        try:
            if self.layout.namespaces and not inside:
                network.make(self.layout)
                lock = _held[self.layout.name]
                os.set_inheritable(lock, True)
                os.environ["CLUSTER_LAB_LOCK"] = str(lock)
                network.enter(self.layout, arguments)
            self._check_ports()
            self._start(binary, found)
        except BaseException:
            self.clear()
            raise

    def _check_ports(self) -> None:
        # Namespaces are new and empty.
        taken = None if self.layout.namespaces else _taken(self.layout)
        if taken:
            raise LabError(f"{taken}; another OFFSET moves all ports, such as OFFSET=1000")

    def _start(self, binary: Path, found: programs.Programs) -> None:
        layout = self.layout
        layout.folder.mkdir(mode=0o711 if self.account.switches else 0o700)
        configure.write_all(layout, self.account, found, configure.make_secrets())
        lab_nodes, product, cluster = self._all()
        product.install(binary)
        _say("etcd …")
        for node in layout.nodes:
            lab_nodes.start_etcd(node)
        self._wait("etcd", lambda: all(map(cluster.etcd_is_well, layout.nodes)), ETCD_SECONDS,
                   {f"{node.name}/etcd": node.log / "etcd.out" for node in layout.nodes})
        _say("Patroni and PostgreSQL …")
        for node in layout.nodes:
            lab_nodes.start_patroni(node)
            lab_nodes.start_apart(node)
        haproxy = [found.haproxy, "-db", "-f", str(layout.folder / "haproxy" / "haproxy.cfg")]
        processes.Spawner(self.account, layout.folder).start(
            "haproxy/haproxy", haproxy, layout.folder / "haproxy" / "haproxy.log",
            namespace=layout.namespace)
        logs = {f"{node.name}/patroni": node.log / "patroni.log" for node in layout.nodes}
        logs["haproxy/haproxy"] = layout.folder / "haproxy" / "haproxy.log"
        self._wait("a primary behind HAProxy", self._answers, PRIMARY_SECONDS, logs)
        # Nothing can be committed before a standby is in the quorum.
        self._wait("three members", cluster.is_whole, WHOLE_SECONDS, logs)
        _say("database, concerts, servers …")
        product.make_database()
        product.fill()
        for server in layout.servers:
            product.start(server)
        self._wait("the servers", self._serves, SERVER_SECONDS,
                   {f"{one.name}/serve": one.folder / "serve.log" for one in layout.servers})
        self.write_state()

    def _answers(self) -> bool:
        try:
            return self.cluster.sql("SELECT pg_is_in_recovery()", database="postgres") == [["f"]]
        except LabError:
            return False

    def _serves(self) -> bool:
        ports = [server.port for server in self.layout.servers] + [self.layout.http_port]
        return all(get(self.layout.hub, port, "/readyz")[0] == 200 for port in ports)

    def _wait(self, what: str, check, seconds: float, logs: dict[str, Path]) -> None:
        """Waits for a check; the parts whose logs these are must live meanwhile."""
        ended: list[str] = []
        started = time.monotonic()

        def done() -> bool:
            if check():
                return True
            if time.monotonic() - started > BEGIN_SECONDS:
                running = {process.part for process in processes.find(self.layout.folder)}
                ended.extend(logs.keys() - running)
            return bool(ended)

        if wait_until(done, seconds) and not ended:
            return
        why = f"{', '.join(sorted(ended))} ended" if ended else f"not there after {seconds:.0f} s"
        tails = "\n".join(f"--- {log}\n{processes.tail(log)}"
                          for part, log in logs.items() if not ended or part in ended)
        raise LabError(f"{what}: {why}; the logs end with\n{tails}")

    # ---- What others read ----

    def write_state(self) -> None:
        layout, product = self.layout, self.product
        running = {process.part: process.pid for process in processes.find(layout.folder)
                   if not process.part.endswith("/postgres")}
        logins = {"": "superuser", "owner_": "owner", "app_": "app", "monitor_": "monitor"}
        state = {
            "name": layout.name,
            "offset": layout.offset,
            "namespaces": layout.namespaces,
            "namespace": layout.namespace,
            "folder": str(layout.folder),
            "base_url": layout.base_url,
            "https_url": f"https://{layout.hub}:{layout.https_port}",
            **{f"{name}database_url": product.url(login) for name, login in logins.items()},
            "direct": {f"{name}database_url": product.url(login, "direct")
                       for name, login in logins.items()},
            "read_database_url": product.url("app", "read"),
            "certificate_authority": str(layout.authority),
            "secret_key": self.cluster.passwords["key"],
            "admin": {"username": ADMIN, "password": self.cluster.passwords["admin"]},
            "patroni": {"username": "patroni", "password": self.cluster.passwords["restapi"]},
            "binary": str(product.binary),
            "haproxy": {"pid": running.get("haproxy/haproxy"), "write_port": layout.write_port,
                        "read_port": layout.read_port, "http_port": layout.http_port,
                        "log": str(layout.folder / "haproxy" / "haproxy.log")},
            "servers": [
                {"name": server.name, "way": server.way,
                 "url": f"http://{layout.hub}:{server.port}",
                 "metrics_url": f"http://{layout.hub}:{server.metrics_port}/metrics",
                 "pid": running.get(f"{server.name}/serve"),
                 "log": str(server.folder / "serve.log")}
                for server in layout.servers
            ],
            "nodes": [
                {"name": node.name, "address": node.address, "namespace": node.namespace,
                 "postgres_port": node.postgres_port, "data_folder": str(node.data),
                 "log_folder": str(node.log), "database_url": product.url("superuser", node.name),
                 "patroni_url": f"https://{node.address}:{node.patroni_port}",
                 "etcd_url": f"https://{node.address}:{node.etcd_port}",
                 "patroni_pid": running.get(f"{node.name}/patroni"),
                 "etcd_pid": running.get(f"{node.name}/etcd")}
                for node in layout.nodes
            ],
        }
        layout.state.parent.mkdir(parents=True, exist_ok=True)
        write_private(layout.state, json.dumps(state, indent=2) + "\n")

    # ---- Down ----

    def clear(self) -> None:
        """Ends and removes all of it, also of one that broke half-way."""
        layout = self.layout
        if processes.find(layout.folder):
            # Ending needs no programs and no passwords.
            Nodes(layout, self.account, None, None).stop_all()
        nodes.free_shared_memory(layout, self.account)
        if self.account.switches and layout.namespaces:
            network.remove(layout)
        if layout.folder.exists():
            shutil.rmtree(layout.folder)
        layout.state.unlink(missing_ok=True)
        self._parts = None


def end_on_signals() -> None:
    """Interrupts and requests to end become an error, once: cleaning up isn't interrupted."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise LabError(f"ended by {signal.Signals(number).name}")

    for number in numbers:
        signal.signal(number, end)


@contextmanager
def alone(name: str):
    """One command at a time changes a lab."""
    folder = ROOT / ".stagedoor"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.lock"
    # A program that becomes itself anew inside of the network keeps the lock by the open file.
    inherited = os.environ.pop("CLUSTER_LAB_LOCK", None)
    if inherited is not None:
        lock = int(inherited)
    else:
        lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise LabError(f"another command is at work on the lab {name}") from None
    _held[name] = lock
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(_held.pop(name))


_held: dict[str, int] = {}


def _taken(layout: Layout) -> str | None:
    """The first port of a lab that can't be used."""
    for address, port, purpose in layout.listeners():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return f"{address}:{port} ({purpose}) can't be used: {error.strerror}"
    return None


def free_offset(name: str, first: int) -> int:
    """An offset whose ports are all free, for labs whose ports nobody types."""
    taken = None
    for offset in range(first, first + 2_000, 100):
        taken = _taken(Layout(name, offset, False, Path("/")))
        if taken is None:
            return offset
    raise LabError(f"no free ports for a lab: {taken}")


def get(host: str, port: int, path: str, seconds: float = 3.0) -> tuple[int, bytes]:
    """A plain GET; status 0 when nothing answers."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def describe(lab: Lab) -> str:
    """For people: who is who, and whether the shop sells."""
    layout = lab.layout
    lines = [f"shop       {layout.base_url}"]
    try:
        streaming = lab.cluster.streaming()
    except LabError:
        streaming = {}
    try:
        members = {member["name"]: member for member in lab.cluster.members()}
    except NoAnswer:
        members = {}
    found = processes.find(layout.folder)
    for node in layout.nodes:
        member = members.get(node.name, {})
        parts = sorted({p.part.split("/")[1] for p in found if p.part.startswith(node.name + "/")})
        lines.append(
            f"{node.name:10} {member.get('role', 'unknown'):17} {member.get('state', '-'):10} "
            f"lag {member.get('lag', '-')!s:8} {streaming.get(node.name, '-'):8} "
            f"runs {' '.join(parts) or 'nothing'}")
    for server in layout.servers:
        status, _ = get(layout.hub, server.port, "/readyz")
        sells, body = get(layout.hub, server.port, "/readyz?for=writes")
        why = "" if sells == 200 else f" {body.decode(errors='replace')[:120]}"
        lines.append(f"{server.name:10} reads {status} sales {sells}{why}")
    return "\n".join(lines)


def _is_inside(layout: Layout) -> bool:
    try:
        here = os.stat("/proc/self/ns/net").st_ino
        return here == os.stat(f"/run/netns/{layout.namespace}").st_ino
    except OSError:
        return False


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

