#!/usr/bin/env python3
"""Says which metrics that alerts, their tests and dashboards name a server doesn't have.

check-metrics.py http://127.0.0.1:9464/metrics    asks a server
check-metrics.py - < metrics.txt                  reads what a server answered
check-metrics.py --list                           prints the names, one on a line

--may-lack NAME: this one isn't wanted. Some exist only where there is something to tell of:
stagedoor_replica_* with replicas, stagedoor_tickets_* with a concert on sale, stagedoor_disk_* where the
database is on this machine, stagedoor_backup_* after the first look, stagedoor_write_probe_* at servers
alone, their time after the first probe. A `*` at the end stands for the rest.
--json: the answer for programs, {"named": 40, "missing": [{"name": ..., "in": [files]}]}

Exit codes: 0 all are there, 1 some aren't, 2 wrong usage, or no metrics to compare with.
"""

import argparse
import fnmatch
import json
import re
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 10
BODY_MAX = 64 << 20
NAME = re.compile(r"\bstagedoor_[a-z0-9_]+")
# Parts of a histogram or a summary, as they are asked for.
PARTS = ("_bucket", "_sum", "_count")


def without_comments(text):
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def texts():
    """Where names may be, as (file, text)."""
    for path in sorted((ROOT / "ops/prometheus").glob("*.yml")):
        yield path, without_comments(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "ops/grafana").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        queries = [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]
        yield path, "\n".join(queries)


def named():
    """Each name, with the files that it is in."""
    found = {}
    for path, text in texts():
        for name in NAME.findall(text):
            found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def shown(metrics):
    """Names of samples. What is only announced by TYPE and has no sample gives an alert nothing to read."""
    found = set()
    for line in metrics.splitlines():
        sample = re.match(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{|\s)", line)
        if sample:
            found.add(sample[1])
    return found


def missing(names, there, may_lack):
    def is_there(name):
        # A name of a histogram as a whole is as good as its parts.
        return name in there or all(name + part in there for part in PARTS)

    def is_excused(name):
        base = re.sub("(_bucket|_sum|_count)$", "", name)
        return any(fnmatch.fnmatchcase(one, pattern) for one in (name, base) for pattern in may_lack)

    return [name for name in sorted(names) if not is_there(name) and not is_excused(name)]


def read(source):
    if source == "-":
        return sys.stdin.read()
    with urllib.request.urlopen(source, timeout=TIMEOUT_S) as answer:
        return answer.read(BODY_MAX).decode("utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", help="URL of a server's metrics, or - for standard input")
    parser.add_argument("--list", action="store_true", help="print the names alone")
    parser.add_argument("--may-lack", action="append", default=[], metavar="NAME")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = named()
    if arguments.list:
        print("\n".join(sorted(names)))
        return 0
    if not arguments.source:
        parser.error("say where the metrics are, or - for standard input")
    try:
        there = shown(read(arguments.source))
    except (OSError, ValueError) as error:
        print(f"no metrics from {arguments.source}: {error}", file=sys.stderr)
        return 2
    if not any(name.startswith("stagedoor_") for name in there):
        print(f"{arguments.source} shows no metrics of stagedoor", file=sys.stderr)
        return 2
    lacks = missing(names, there, arguments.may_lack)
    if arguments.json:
        found = [{"name": name, "in": sorted(names[name])} for name in lacks]
        print(json.dumps({"named": len(names), "missing": found}))
    else:
        for name in lacks:
            print(f"{name} doesn't exist, and is in {', '.join(sorted(names[name]))}")
        print(f"{len(names)} metrics are named, {len(lacks)} of them don't exist")
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(main())
