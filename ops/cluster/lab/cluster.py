"""What the database's nodes say of themselves: Patroni's and etcd's HTTP interfaces, and SQL."""

import base64
import http.client
import json
import os
import ssl
import subprocess
import time
from pathlib import Path

from . import LabError
from .layout import DATABASE, Layout, Node

# A node that is gone must not hold up who asks all of them.
ANSWER_SECONDS = 2.0
SQL_SECONDS = 30.0


class NoAnswer(LabError):
    """It doesn't answer now; it may later."""


class Cluster:
    """A lab's nodes, asked from outside."""

    def __init__(self, layout: Layout, passwords: dict[str, str], postgres: Path):
        self.layout = layout
        self.passwords = passwords
        self.psql = postgres / "psql"
        self.tls = ssl.create_default_context(cafile=os.fspath(layout.authority))
        own = layout.folder / "ca" / layout.nodes[0].name
        # etcd answers nobody without a certificate.
        self.tls.load_cert_chain(own / "host.crt", own / "host.key")

    # ---- HTTP ----

    def ask(self, address: str, port: int, path: str, body: dict | None = None, *,
            seconds: float = ANSWER_SECONDS) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(address, port, timeout=seconds, context=self.tls)
        headers = {}
        if body is not None:
            login = f"patroni:{self.passwords['restapi']}".encode()
            headers = {"Authorization": "Basic " + base64.b64encode(login).decode(),
                       "Content-Type": "application/json"}
        try:
            connection.request("GET" if body is None else "POST", path,
                               None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{address}:{port} doesn't answer: {error}") from error
        finally:
            connection.close()

    def members(self) -> list[dict]:
        """Patroni's list of members, from the first node that answers."""
        for node in self.layout.nodes:
            try:
                status, body = self.ask(node.address, node.patroni_port, "/cluster")
            except NoAnswer:
                continue
            if status == 200:
                return json.loads(body)["members"]
        raise NoAnswer("no Patroni answers")

    def holds_lease(self, node: Node) -> bool:
        try:
            return self.ask(node.address, node.patroni_port, "/primary")[0] == 200
        except NoAnswer:
            return False

    def primary(self) -> Node | None:
        """The node that holds the lease by its own word, if one does."""
        return next((node for node in self.layout.nodes if self.holds_lease(node)), None)

    def switch_over(self, leader: Node, candidate: str | None = None) -> None:
        wanted = {"leader": leader.name} | ({"candidate": candidate} if candidate else {})
        status, body = self.ask(leader.address, leader.patroni_port, "/switchover", wanted,
                                seconds=60)
        if status != 200:
            raise LabError(f"Patroni refuses to switch over: {body.decode(errors='replace')}")

    def etcd_is_well(self, node: Node) -> bool:
        try:
            status, body = self.ask(node.address, node.etcd_port, "/health")
        except NoAnswer:
            return False
        return status == 200 and json.loads(body).get("health") == "true"

    def etcd_leader(self) -> Node | None:
        for node in self.layout.nodes:
            try:
                status, body = self.ask(node.address, node.etcd_port, "/v3/maintenance/status", {})
            except NoAnswer:
                continue
            if status == 200:
                answer = json.loads(body)
                if answer.get("leader") and answer["leader"] == answer["header"]["member_id"]:
                    return node
        return None

    # ---- SQL ----

    def sql(self, text: str, *, where: str = "write", user: str = "postgres",
            login: str = "superuser", database: str = DATABASE) -> list[list[str]]:
        """Runs statements and returns the rows; by HAProxy, or on the node of that name."""
        layout = self.layout
        if where == "write":
            host, port = layout.hub, layout.write_port
        else:
            node = next(node for node in layout.nodes if node.name == where)
            host, port = node.address, node.postgres_port
        try:
            done = subprocess.run(
                [self.psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                 "--field-separator=\t", "--set=ON_ERROR_STOP=1"],
                input=text, capture_output=True, text=True, check=False, timeout=SQL_SECONDS,
                env={
                    "PATH": "/usr/bin:/bin", "PGHOST": host, "PGPORT": str(port), "PGUSER": user,
                    "PGPASSWORD": self.passwords[login], "PGDATABASE": database,
                    "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(layout.authority),
                    "PGCONNECT_TIMEOUT": "3", "LC_ALL": "C.UTF-8",
                },
            )
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(f"{host}:{port}: no result within {SQL_SECONDS:.0f} s") from error
        if done.returncode == 2:
            raise NoAnswer(done.stderr.strip())
        if done.returncode != 0:
            raise LabError(f"psql: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def streaming(self) -> dict[str, str]:
        """Each standby that streams from the primary, with its part in synchronous commits."""
        rows = self.sql("SELECT application_name, sync_state FROM pg_stat_replication "
                        "WHERE state = 'streaming'", database="postgres")
        return dict(rows)

    def is_whole(self) -> bool:
        """One primary, all others streaming from it and in its quorum, etcd complete."""
        nodes = self.layout.nodes
        try:
            streaming = self.streaming()
            members = {member["name"]: member for member in self.members()}
        except NoAnswer:
            return False
        quorum = [name for name, state in streaming.items() if state == "quorum"]
        states = [members.get(node.name, {}).get("state") for node in nodes]
        return (
            len(quorum) == len(nodes) - 1
            and sorted(states) == ["running", "streaming", "streaming"]
            and all(map(self.etcd_is_well, nodes))
        )

    def wait_whole(self, seconds: float) -> None:
        if not wait_until(self.is_whole, seconds):
            raise LabError(f"the cluster isn't whole after {seconds:.0f} s: {self.describe()}")

    def describe(self) -> str:
        try:
            members = ", ".join(f"{m['name']} {m['role']} {m['state']}" for m in self.members())
        except NoAnswer as error:
            members = str(error)
        try:
            streaming = self.streaming()
        except LabError as error:
            streaming = str(error)
        etcd = [node.name for node in self.layout.nodes if self.etcd_is_well(node)]
        return f"{members}; streaming {streaming}; etcd well on {' '.join(etcd) or 'none'}"


def wait_until(check, seconds: float, every: float = 0.25) -> bool:
    limit = time.monotonic() + seconds
    while True:
        if check():
            return True
        if time.monotonic() > limit:
            return False
        time.sleep(every)
