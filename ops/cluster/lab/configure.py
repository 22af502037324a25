"""Writes the lab's files from the production templates: certificates, settings, passwords."""

import json
import secrets
import shutil
import subprocess
import sys

from . import LabError
from .account import Account, write_private
from .layout import CLUSTER, OPS, Layout, Node
from .programs import Programs

sys.path.insert(0, str(OPS))
import render  # noqa: E402  the operators' own tool fills the templates

LOGINS = ("superuser", "replication", "rewind", "restapi", "owner", "app", "monitor", "admin")


def make_secrets() -> dict[str, str]:
    made = {login: secrets.token_hex(20) for login in LOGINS}
    made["key"] = secrets.token_hex(32)
    return made


def write_all(layout: Layout, account: Account, programs: Programs, passwords: dict) -> None:
    write_private(layout.folder / "secrets.json", json.dumps(passwords))
    for node in layout.nodes:
        for folder in (node.folder, node.tls, node.log, node.folder / "run"):
            account.make_folder(folder)
    for name in ("haproxy", *(server.name for server in layout.servers)):
        account.make_folder(layout.folder / name)
    _certificates(layout, account)
    # The lab's user may have no way into this checkout.
    account.give(shutil.copy(OPS / "patroni" / "etcd_apart.py", layout.folder))
    for node in layout.nodes:
        _node(layout, account, programs, node)
    _haproxy(layout, account)
    (layout.folder / "bin").mkdir(mode=0o755)


def read_secrets(layout: Layout) -> dict[str, str]:
    return json.loads((layout.folder / "secrets.json").read_text())


def _certificates(layout: Layout, account: Account) -> None:
    hosts = [f"{node.name}={node.name},{node.address},{layout.hub}" for node in layout.nodes]
    hosts.append(f"shop={layout.hub}")
    ca = layout.folder / "ca"
    script = OPS / "certificates" / "make-certificates.sh"
    done = subprocess.run(
        [str(script), str(ca), *hosts], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{script.name} failed:\n{done.stderr}")
    for node in layout.nodes:
        for name in ("ca.crt", "host.crt", "host.key"):
            account.give(shutil.copy(ca / node.name / name, node.tls / name))
    pair = [(ca / "shop" / name).read_text() for name in ("host.crt", "host.key")]
    account.write(layout.folder / "haproxy" / "shop.pem", "".join(pair))
    # Who reads the lab's state file verifies by this one.
    account.give(shutil.copy(ca / "authority" / "ca.crt", layout.authority))


def _node(layout: Layout, account: Account, programs: Programs, node: Node) -> None:
    nodes = layout.nodes
    network = "10.77.0.0/24" if layout.namespaces else "127.0.0.0/8"
    _fill(account, OPS / "patroni" / "patroni.yml.template", node.folder / "patroni.yml", {
        "CLUSTER_NAME": CLUSTER,
        "NODE_NAME": node.name,
        "NODE_ADDRESS": node.address,
        "PATRONI_PORT": str(node.patroni_port),
        "POSTGRES_PORT": str(node.postgres_port),
        "ETCD_HOSTS": ",".join(f"{one.address}:{one.etcd_port}" for one in nodes),
        "NODE_NETWORK": network,
        "CLIENT_NETWORK": network,
        "CERTIFICATES": str(node.tls),
        "DATA_FOLDER": str(node.data),
        "POSTGRES_PROGRAMS": str(programs.postgres),
        "RUN_FOLDER": str(node.folder / "run"),
        "LOG_FOLDER": str(node.log),
        "MAX_CONNECTIONS": "100",
        "SHARED_BUFFERS": "64MB",
        "WATCHDOG": "off",
    })
    _fill(account, OPS / "patroni" / "etcd.yml.template", node.folder / "etcd.yml", {
        "CLUSTER_NAME": CLUSTER,
        "NODE_NAME": node.name,
        "NODE_ADDRESS": node.address,
        "ETCD_PORT": str(node.etcd_port),
        "ETCD_PEER_PORT": str(node.etcd_peer_port),
        "ETCD_MEMBERS": ",".join(
            f"{one.name}=https://{one.address}:{one.etcd_peer_port}" for one in nodes
        ),
        "ETCD_FOLDER": str(node.folder / "etcd"),
        "CERTIFICATES": str(node.tls),
    })


def _haproxy(layout: Layout, account: Account) -> None:
    values = {
        "LOG_TARGET": "stdout format raw",
        "RUN_FOLDER": str(layout.folder / "haproxy"),
        "CONNECTIONS_MAX": "2000",
        "DATABASE_LISTEN": layout.hub,
        "WRITE_PORT": str(layout.write_port),
        "READ_PORT": str(layout.read_port),
        "PUBLIC_BIND": f"{layout.hub}:{layout.https_port} ssl crt {layout.folder}/haproxy/shop.pem "
                       "ssl-min-ver TLSv1.2 alpn h2,http/1.1",
        "PLAIN_BIND": f"{layout.hub}:{layout.http_port}",
        "CERTIFICATES": str(layout.folder / "haproxy"),
        "PATRONI_PORT": str(layout.nodes[0].patroni_port),
        "POSTGRES_PORT": str(layout.nodes[0].postgres_port),
    }
    for number, node in enumerate(layout.nodes, 1):
        values |= {f"NODE{number}_NAME": node.name, f"NODE{number}_ADDRESS": node.address}
    for number, server in enumerate(layout.servers, 1):
        values |= {f"SERVER{number}_NAME": server.name,
                   f"SERVER{number}_ADDRESS": f"{layout.hub}:{server.port}"}
    target = layout.folder / "haproxy" / "haproxy.cfg"
    _fill(account, OPS / "haproxy" / "haproxy.cfg.template", target, values)


def _fill(account: Account, template, target, values: dict[str, str]) -> None:
    try:
        account.write(target, render.fill(template.read_text(encoding="utf-8"), values))
    except render.Unfit as error:
        raise LabError(f"{template.name}: {error}") from error
