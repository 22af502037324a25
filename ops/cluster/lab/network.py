"""Network namespaces: one for each node, and one with a bridge that joins them, as a switch would.

HAProxy and the servers are in the one with the bridge. Nothing of it reaches the machine's network.
Needs root.
"""

import os
import subprocess

from . import LabError
from .layout import Layout


def run(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def refusal() -> str | None:
    """Why there can be no namespaces here; None when there can."""
    if os.getuid() != 0:
        return "network namespaces need root"
    probe = f"sd-probe-{os.getpid()}"
    try:
        run("netns", "add", probe)
        run("-n", probe, "link", "add", "name", "br0", "type", "bridge")
        run("-n", probe, "link", "add", "name", "left", "type", "veth", "peer", "name", "right")
    except (LabError, OSError) as error:
        return f"this system makes no network namespaces ({error})"
    finally:
        run("netns", "delete", probe, check=False)
    return None


def make(layout: Layout) -> None:
    hub = layout.namespace
    run("netns", "add", hub)
    run("-n", hub, "link", "set", "lo", "up")
    run("-n", hub, "link", "add", "name", "br0", "type", "bridge")
    run("-n", hub, "address", "add", f"{layout.hub}/24", "dev", "br0")
    run("-n", hub, "link", "set", "br0", "up")
    for node in layout.nodes:
        run("netns", "add", node.namespace)
        run("-n", hub, "link", "add", "name", node.name, "type", "veth", "peer", "name", "eth0",
            "netns", node.namespace)
        run("-n", hub, "link", "set", node.name, "master", "br0", "up")
        run("-n", node.namespace, "link", "set", "lo", "up")
        run("-n", node.namespace, "address", "add", f"{node.address}/24", "dev", "eth0")
        run("-n", node.namespace, "link", "set", "eth0", "up")


def set_link(layout: Layout, name: str, up: bool) -> None:
    """Plugs a node's cable in or out."""
    run("-n", layout.namespace, "link", "set", name, "up" if up else "down")


def remove(layout: Layout) -> None:
    """Also what a broken start left."""
    for name in [*(node.namespace for node in layout.nodes), layout.namespace]:
        if name and os.path.exists(f"/run/netns/{name}"):
            run("netns", "delete", name, check=False)


def enter(layout: Layout, arguments: list[str]) -> None:
    """Becomes this program once more inside of the lab's network; returns when we are there."""
    here = os.stat("/proc/self/ns/net").st_ino
    if here != os.stat(f"/run/netns/{layout.namespace}").st_ino:
        command = ["nsenter", f"--net=/run/netns/{layout.namespace}", "--", *arguments]
        os.execvp(command[0], command)
