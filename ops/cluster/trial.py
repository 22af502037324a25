#!/usr/bin/env python3
"""Breaks a lab of its own under load, in every way that `--faults` names, and judges what is left.

Exits with 1 when anything was lost, oversold or doubled, or took longer than promised.
"""

import argparse
import json
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

from lab import LabError, faults, network, programs, report, verdict  # noqa: E402
from lab.account import Account  # noqa: E402
from lab.buyer import Crowd  # noqa: E402
from lab.faults import FAULTS, Outcome, Trial  # noqa: E402
from lab.layout import ROOT  # noqa: E402
from lab.lifecycle import Lab, alone, end_on_signals, free_offset  # noqa: E402
from lab.load import Load  # noqa: E402

TICKETS = 1_000_000
# Above the offsets that people choose by hand.
OFFSET = 3_000


def main() -> int:
    args = parse()
    end_on_signals()
    try:
        refusal = network.refusal() if args.namespaces else "asked for loopback addresses"
        offset = 0 if refusal is None else free_offset(args.name, OFFSET)
        lab = Lab(args.name, offset, refusal is None)
        if lab.layout.state.exists():
            raise LabError(f"a lab named {args.name} is up, which would be broken and removed: "
                           f"make cluster-down NAME={args.name}, or take another --name")
        with alone(args.name):
            try:
                lab.up(Path(args.binary).resolve(), [sys.executable, *sys.argv])
                return try_all(lab, chosen(args, refusal), args)
            finally:
                lab.clear()
    except LabError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1


def chosen(args: argparse.Namespace, refusal: str | None) -> list:
    """Each fault as often as wanted, in turns; what can't be made here is said."""
    wanted = [FAULTS[name] for name in args.faults]
    for fault in wanted:
        if fault.needs_namespaces and refusal:
            print(f"SKIP {fault.name}: {refusal}", flush=True)
    possible = [fault for fault in wanted if not (fault.needs_namespaces and refusal)]
    return possible * args.repeat


def try_all(lab: Lab, wanted: list, args: argparse.Namespace) -> int:
    run = secrets.token_hex(3)
    crowd = Crowd(lab.layout.hub, lab.layout.http_port, concert_for(lab, run), run)
    trial = Trial(lab, crowd, args.patience)
    load = Load(lab, args.rate)
    outcomes: list[Outcome] = []
    problems: list[str] = []
    crowd.start()
    try:
        trial.wait_for_sales(time.monotonic())
        verdict.prove(lab.cluster, list(crowd.sales), run, crowd.concert)
        load.start(sum(fault.planned_seconds for fault in wanted))
        for number, fault in enumerate(wanted):
            load.keep_up(sum(rest.planned_seconds for rest in wanted[number:]))
            print(f"{number + 1} of {len(wanted)}: {fault.title} …", file=sys.stderr, flush=True)
            outcome = faults.run(trial, fault)
            outcome.verdict = verdict.judge(lab.cluster, list(crowd.sales), run).to_json()
            outcomes.append(outcome)
            print(report.table([outcome], args.patience), file=sys.stderr, flush=True)
            for line in outcome.missed + outcome.verdict["faults"]:
                print(f"  {line}", file=sys.stderr, flush=True)
        load.finish()
    except LabError as error:
        # What was measured before is still worth telling.
        problems.append(f"{wanted[len(outcomes)].name if len(outcomes) < len(wanted) else 'end'}: "
                        f"{error}")
        show_logs(lab)
    finally:
        load.stop()
        crowd.stop()
    if not problems:
        problems += last_words(lab, crowd, run)
    return conclude(lab, outcomes, problems + load.errors, load, args)


def last_words(lab: Lab, crowd: Crowd, run: str) -> list[str]:
    """After everybody has gone: everybody knows, and everything adds up."""
    final = verdict.judge(lab.cluster, list(crowd.sales), run)
    found = [] if final.is_good() else [f"at the end: {line}" for line in final.faults]
    if waiting := crowd.open_before(time.monotonic()):
        found.append(f"{waiting} buyers were never told")
    refused = sorted({sale.refusal for sale in crowd.sales if sale.refusal})
    if refused:
        found.append(f"buyers were refused: {', '.join(refused)}")
    return found


def conclude(lab: Lab, outcomes: list[Outcome], problems: list[str], load: Load,
             args: argparse.Namespace) -> int:
    missed = [f"{o.fault}: {line}" for o in outcomes for line in o.missed + o.verdict["faults"]]
    missed += faults.medians_missed(outcomes, args.patience) + problems
    told = report.to_json(
        outcomes, ok=not missed, missed=missed, load=load.to_json(), patience=args.patience,
        network="each in a network of its own" if lab.layout.namespaces else "on loopback",
        **versions(lab))
    print(report.table(outcomes, args.patience))
    for line in missed:
        print(f"MISSED {line}")
    if args.json:
        Path(args.json).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if args.document and set(args.faults) != set(FAULTS):
        print(f"{args.document} stays as it is: not every fault was made")
    elif args.document and problems:
        print(f"{args.document} stays as it is: the trial did not come to its end")
    elif args.document:
        document = Path(args.document)
        section = report.document(outcomes, told, "make test-cluster")
        text = document.read_text(encoding="utf-8") if document.exists() else ""
        document.write_text(report.put_section(text, section), encoding="utf-8")
    return 1 if missed else 0


def concert_for(lab: Lab, run: str) -> int:
    """A concert that the measuring buyers don't sell out."""
    lines = ("name,artist,date,venue,total_tickets,price,status\n"
             f"Trial {run},The Testers,2099-01-01,The Lab,{TICKETS},100.00,open\n")
    lab.product.run("concert", "import", "--format", "csv", "-", said=lines)
    return int(lab.cluster.sql(f"SELECT id FROM concerts WHERE name = 'Trial {run}'")[0][0])


def versions(lab: Lab) -> dict[str, str]:
    found = programs.find(Account.choose(), lab.place)
    asked = {"patroni": [found.patroni, "--version"], "haproxy": [found.haproxy, "-v"],
             "postgres": [found.postgres / "postgres", "--version"]}
    said = {}
    for name, command in asked.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        number = re.search(r"\d+(\.\d+)+", done.stdout)
        said[name] = number.group() if number else "?"
    return said


def show_logs(lab: Lab) -> None:
    from lab.processes import tail
    logs = [node.log / "patroni.log" for node in lab.layout.nodes]
    logs += [server.folder / "serve.log" for server in lab.layout.servers]
    for log in logs:
        print(f"--- {log}\n{tail(log, 15)}", file=sys.stderr)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", default=list(FAULTS), type=fault_names, metavar="A,B",
                        help=", ".join(FAULTS))
    parser.add_argument("--repeat", default=1, type=at_least_one(int),
                        help="how often each is made")
    parser.add_argument("--patience", default=1.0, type=at_least_one(float),
                        help="times may be so many times as long as promised")
    parser.add_argument("--rate", default=40, type=at_least_one(int),
                        help="buyers a second of `stagedoor rush`")
    parser.add_argument("--loopback", dest="namespaces", action="store_false",
                        help="no network namespaces, also as root")
    parser.add_argument("--name", default="trial", help="of the lab")
    parser.add_argument("--json", help="write what was measured to this file")
    parser.add_argument("--document", help="write the section on failover of this file")
    parser.add_argument("--binary", default=str(ROOT / "target" / "debug" / "stagedoor"))
    return parser.parse_args()


def at_least_one(kind: type):
    def number(text: str):
        value = kind(text)
        if value < 1:
            raise argparse.ArgumentTypeError(f"{text} is less than 1")
        return value
    return number


def fault_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - FAULTS.keys():
        raise argparse.ArgumentTypeError(f"no fault is named {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
