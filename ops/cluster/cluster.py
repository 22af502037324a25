#!/usr/bin/env python3
"""The lab: three database nodes under Patroni, HAProxy and two stagedoor servers on one machine.

    cluster.py up|down|status|kill-primary|switchover|partition|rejoin [--name N] [--offset N]

README.md beside this file explains it; `make cluster-up` and its like call it.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

from lab import LabError, network  # noqa: E402
from lab.cluster import wait_until  # noqa: E402
from lab.layout import ROOT  # noqa: E402
from lab.lifecycle import Lab, alone, describe, end_on_signals  # noqa: E402

TAKEOVER_SECONDS = 60


def up(args: argparse.Namespace) -> None:
    lab = Lab(args.name, args.offset, args.namespaces)
    if lab.is_up():
        print(f"The lab is up already at {lab.layout.base_url}; make cluster-down ends it.")
        return
    started = float(os.environ.setdefault("CLUSTER_LAB_STARTED", str(time.time())))
    binary = Path(args.binary)
    if not os.access(binary, os.X_OK):
        raise LabError(f"{binary} isn't there: cargo build --package stagedoor, or --binary")
    lab.up(binary.resolve(), [sys.executable, *sys.argv])
    print(f"{describe(lab)}\nUp after {time.time() - started:.0f} s; "
          f"everything to connect with is in {lab.layout.state}")


def down(args: argparse.Namespace) -> None:
    try:
        lab = Lab.running(args.name)
    except LabError:
        # Nothing says that it is up; a start that was killed may have left something.
        lab = Lab(args.name, args.offset, True)
    was_there = lab.layout.folder.exists() or lab.layout.state.exists()
    lab.clear()
    print("The lab is down." if was_there else "No lab was up.")


def status(args: argparse.Namespace) -> None:
    print(describe(entered(args)))


def entered(args: argparse.Namespace) -> Lab:
    """The running lab, from inside of its network."""
    lab = Lab.running(args.name)
    if lab.layout.namespaces:
        if not os.path.exists(f"/run/netns/{lab.layout.namespace}"):
            raise LabError("the lab's network is gone: make cluster-down")
        network.enter(lab.layout, [sys.executable, *sys.argv])
    return lab


def primary_of(lab: Lab):
    primary = lab.cluster.primary()
    if primary is None:
        raise LabError(f"there is no primary: {lab.cluster.describe()}")
    return primary


def await_takeover(lab: Lab, former, started: float) -> None:
    """Another node has the lease and takes writes by HAProxy."""
    def done() -> bool:
        primary = lab.cluster.primary()
        return primary is not None and primary.name != former.name

    if not wait_until(done, TAKEOVER_SECONDS):
        raise LabError(f"nobody took over: {lab.cluster.describe()}")
    primary = lab.cluster.primary()
    print(f"{primary.name} is the primary after {time.monotonic() - started:.1f} s")


def kill_primary(args: argparse.Namespace) -> None:
    lab = entered(args)
    primary = primary_of(lab)
    started = time.monotonic()
    lab.nodes.kill(primary)
    print(f"killed all processes of {primary.name}; make cluster-rejoin brings it back")
    await_takeover(lab, primary, started)


def switchover(args: argparse.Namespace) -> None:
    lab = entered(args)
    primary = primary_of(lab)
    started = time.monotonic()
    lab.cluster.switch_over(primary)
    await_takeover(lab, primary, started)


def partition(args: argparse.Namespace) -> None:
    lab = entered(args)
    if not lab.layout.namespaces:
        raise LabError(
            "a cable can only be pulled out where each node has its own network: as root, "
            "make cluster-down, then make cluster-up NAMESPACES=1")
    primary = primary_of(lab)
    started = time.monotonic()
    network.set_link(lab.layout, primary.name, False)
    print(f"cut {primary.name} off; make cluster-rejoin joins it again")
    await_takeover(lab, primary, started)


def rejoin(args: argparse.Namespace) -> None:
    lab = entered(args)
    print(f"three members after {lab.nodes.rejoin():.1f} s")
    lab.write_state()
    print(describe(lab))


COMMANDS = {
    "up": up, "down": down, "status": status, "kill-primary": kill_primary,
    "switchover": switchover, "partition": partition, "rejoin": rejoin,
}
CHANGING = ("up", "down", "kill-primary", "switchover", "partition", "rejoin")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--name", default="cluster", type=lab_name,
                        help="several labs have different names and offsets")
    parser.add_argument("--offset", default=0, type=port_offset,
                        help="is added to every port, 0 to 30000")
    parser.add_argument("--namespaces", action="store_true",
                        help="each node in a network of its own, as root")
    parser.add_argument("--binary", default=str(ROOT / "target" / "debug" / "stagedoor"),
                        help="the product")
    return parser.parse_args()


def port_offset(text: str) -> int:
    if not text.isdigit() or int(text) > 30_000:
        raise argparse.ArgumentTypeError("a whole number from 0 to 30000")
    return int(text)


def lab_name(text: str) -> str:
    if not (text.isalnum() and text.islower() and len(text) <= 12):
        raise argparse.ArgumentTypeError("up to 12 small letters and digits")
    return text



def main() -> int:
    args = parse()
    end_on_signals()
    try:
        if args.command in CHANGING:
            with alone(args.name):
                COMMANDS[args.command](args)
        else:
            COMMANDS[args.command](args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except LabError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
