#!/usr/bin/env python3
"""A restore drill in a lab: a backup, the drill, and what metrics and `doctor` say of it.

On the database's machine of a real installation it is `stagedoor backup drill`, and nothing else.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from rig import mistake, scene  # noqa: E402
from rig.steps import Steps  # noqa: E402

from lab import LabError  # noqa: E402
from lab.cluster import wait_until  # noqa: E402
from lab.layout import ROOT  # noqa: E402
from lab.lifecycle import end_on_signals  # noqa: E402

METRICS = r"stagedoor_(restore_drill_seconds|backup_last_success_timestamp_seconds.*drill)"
# The server asks the database for them again after a while.
METRICS_SECONDS = 60


def main() -> int:
    args = parse()
    end_on_signals()
    steps = Steps()
    try:
        with scene.lab("drill", Path(args.binary).resolve(), steps) as machine:
            drill(machine, steps)
    except (LabError, subprocess.TimeoutExpired) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 1 if steps.missed else 0


def drill(machine, steps: Steps) -> None:
    crowd = mistake.begin_sales(machine, 1_000_000)
    with steps.step("people buy; a full backup goes to all repositories"):
        mistake.wait_for_sales(crowd, 3)
        mistake.unit(machine, "stagedoor-backup")
    print(f"doctor before the drill:\n{doctor(machine)}")
    with steps.step("the drill, as its timer runs it") as step:
        said = mistake.unit(machine, "stagedoor-drill")
        step.note = "the database goes on selling meanwhile"
    crowd.stop()
    print(f"the drill:\n{said}")
    steps.expect("every row that is sealed" in said, "the drill doesn't check the audit log's seals")

    def is_told() -> bool:
        # A repository in which there was none has 0.
        told = {line.split("{")[0].split()[0] for line in machine.metrics(METRICS)
                if float(line.split()[-1]) > 0}
        return len(told) == 2

    steps.expect(wait_until(is_told, METRICS_SECONDS), "the metrics don't tell of the drill")
    print("the server's metrics:")
    print("\n".join(machine.metrics(METRICS)))
    after = doctor(machine)
    print(f"doctor after the drill:\n{after}")
    steps.expect("backup drill" not in after, "doctor still misses a drill")


def doctor(machine) -> str:
    """Its findings; it exits with 1 when one is an error."""
    return machine.shell("sudo stagedoor-operator doctor", may_fail=True).stdout.rstrip()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target" / "debug" / "stagedoor"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
