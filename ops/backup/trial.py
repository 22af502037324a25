#!/usr/bin/env python3
"""Backups under sales, restored after a mistake and after a fire, and judged by what buyers know.

Exits with 1 when anything that was promised isn't there. README.md beside this file explains it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from rig import disaster, mistake, report, scene  # noqa: E402
from rig.steps import Steps  # noqa: E402

from lab import LabError  # noqa: E402
from lab.layout import ROOT  # noqa: E402
from lab.lifecycle import end_on_signals  # noqa: E402

# Sales in the log behind the backups.
SALES_SECONDS = 20.0
# Shortly before archive_timeout (60 s), so that nearly as much is lost as can be.
OPEN_SECONDS = 50.0


def main() -> int:
    args = parse()
    end_on_signals()
    steps = Steps()
    copies: list = []
    fires: list = []
    more: dict = {}
    broken = None
    try:
        with scene.lab(args.name, Path(args.binary).resolve(), steps) as machine:
            more["versions"] = report.versions(machine)
            for number, repo in enumerate((2,) if args.smoke else (2, 3)):
                # The list's last step makes those of the next one.
                backups = () if number else (2,) if args.smoke else tuple(mistake.REPOSITORIES)
                fires.append(disaster.run(
                    machine, steps, repo, open_seconds=2 if args.smoke else OPEN_SECONDS,
                    at_once=args.smoke, backups=backups))
            copies += mistake.run(machine, steps, sales_seconds=4 if args.smoke else SALES_SECONDS,
                                  at_once=args.smoke)
            more["database_bytes"] = report.database_bytes(machine)
    except (LabError, subprocess.TimeoutExpired) as error:
        # What was measured before is still worth telling.
        broken = str(error)
        steps.miss(broken)
    return conclude(args, steps, copies, fires, more, broken)


def conclude(args, steps: Steps, copies: list, fires: list, more: dict, broken: str | None) -> int:
    told = report.to_json(steps, copies, fires, **more)
    print(steps.table())
    for line in steps.missed:
        print(f"MISSED {line}")
    if args.json:
        Path(args.json).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if args.document and broken:
        print(f"{args.document} stays as it is: not everything was done")
    elif args.document:
        text = report.document(told, steps, copies, fires)
        Path(args.document).write_text(text, encoding="utf-8")
    return 1 if steps.missed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true",
                        help="few sales, no waiting for archive_timeout, one fire")
    parser.add_argument("--name", default="backup", help="of the lab")
    parser.add_argument("--json", help="write what was measured to this file")
    parser.add_argument("--document", help="write docs/restore.md, or another file")
    parser.add_argument("--binary", default=str(ROOT / "target" / "debug" / "stagedoor"))
    args = parser.parse_args()
    if args.smoke and args.document:
        parser.error("--document is for the whole trial")
    return args


if __name__ == "__main__":
    sys.exit(main())
