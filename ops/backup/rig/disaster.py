"""The machine and its nearer repository burn down; docs/operations.md's list brings the shop back.

The list's own commands are run, in the order in which they are written.
"""

import threading
import time
from dataclasses import asdict, dataclass, field

from lab import LabError, verdict
from lab.buyer import Crowd
from lab.cluster import wait_until

from . import guide
from .machine import Machine
from .mistake import (
    REPOSITORIES, Running, back_up, begin_sales, wait_archived, wait_for_sales,
)
from .settings import ARCHIVE_SECONDS
from .steps import Steps, say

# For the push of a segment to the slowest cloud.
PUSH_SECONDS = 30
LOOK_SECONDS = 0.5


@dataclass
class Outcome:
    """What came back, and what was gone."""

    repo: int
    where: str
    # From the bare machine to the first sale.
    seconds: float = 0.0
    acknowledged: int = 0
    lost: int = 0
    # From the first lost sale to the fire, and promised at most.
    lost_seconds: float = 0.0
    lost_seconds_max: float = 0.0
    # Of those that archived log covers for certain.
    archived: int = 0
    archived_and_lost: int = 0
    not_run: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)

    def to_json(self) -> dict:
        return asdict(self)


class Watch:
    """Looks again and again at the segment that the log is written to."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.seen: list[tuple[float, str]] = []
        self.archived = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            now = time.monotonic()
            try:
                [[segment, archived]] = self.machine.sql(
                    "SELECT pg_walfile_name(pg_current_wal_lsn()), "
                    "coalesce(last_archived_wal, '') FROM pg_stat_archiver")
            except LabError:
                return
            self.seen.append((now, segment))
            self.archived = archived

    def covered_until(self) -> float:
        """What was acknowledged before this is in a segment that is archived."""
        times = [at for at, segment in self.seen if segment[8:] <= self.archived[8:24]]
        return max(times, default=0.0)

    def open_seconds(self) -> float:
        """For so long the segment that is written now has been; 0 where none was archived yet."""
        covered = self.covered_until()
        return self.seen[-1][0] - covered if covered else 0.0


def keep_safe(machine: Machine) -> None:
    """What an operator must have put elsewhere, by the document's command."""
    machine.carry_out(guide.read()[0].script)


def run(machine: Machine, steps: Steps, repo: int, *, open_seconds: float, at_once: bool,
        backups: tuple[int, ...] = ()) -> Outcome:
    """The fire comes when the log's last segment has been open for so long."""
    outcome = Outcome(repo, REPOSITORIES[repo])
    keep_safe(machine)
    crowd = begin_sales(machine, 1_000_000)
    wait_for_sales(crowd, 1)
    back_up(machine, steps, backups)
    with steps.step(f"people buy until the fire; {outcome.where} is what will be left") as step:
        with Watch(machine) as watch:
            wait_for_sales(crowd, 2)
            wait_archived(machine, at_once)
            if not wait_until(lambda: watch.open_seconds() >= open_seconds, ARCHIVE_SECONDS * 3):
                raise LabError(f"the log has no segment that stays open for {open_seconds} s")
            machine.kill()
            # From here on nobody can be told anything.
            fire = time.monotonic()
        step.note = f"the log's last file was open for {watch.open_seconds():.0f} s"
    crowd.stop(0)
    machine.burn()
    started = time.monotonic()
    # Those who come meanwhile ask until they are told.
    later = Crowd(crowd.host, crowd.port, crowd.concert, f"{crowd.run}later")
    later.start()
    try:
        with steps.step(f"the written list, from a bare machine and {outcome.where}") as step:
            machine.make_bare()
            follow(machine, outcome)
    finally:
        later.stop()
    outcome.not_run = not_run(machine)
    count(machine, crowd, watch, fire, outcome)
    told = later.told()
    outcome.seconds = told[0].told_at - started if told else 0.0
    step.note = (f"selling after {outcome.seconds:.1f} s; of {outcome.acknowledged} acknowledged "
                 f"sales {outcome.lost} are gone, those of the last {outcome.lost_seconds:.1f} s")
    say(step.note)
    judge(machine, steps, outcome, later)
    return outcome


def follow(machine: Machine, outcome: Outcome) -> None:
    """Each step of the document, with the repository that is left in the place of 2."""
    for step in guide.read()[1:]:
        if not step.script:
            continue
        script = step.script.replace("--repo=2", f"--repo={outcome.repo}")
        started = time.monotonic()
        try:
            machine.carry_out(script)
        except LabError as error:
            raise LabError(f"step {step.number} of {guide.DOCUMENT.name}, {guide.GONE}, "
                           f"doesn't do what it says:\n{error}") from None
        outcome.steps.append((f"{step.number}. {step.title}", time.monotonic() - started))


def count(machine: Machine, crowd: Crowd, watch: Watch, fire: float, outcome: Outcome) -> None:
    """Compares with what buyers were told before the fire."""
    told = [sale for sale in crowd.told() if sale.told_at <= fire]
    outcome.acknowledged = len(told)
    running = Running(machine)
    rows = running.sql("SELECT id FROM reservations;")
    there = {row[0] for row in rows}
    lost = [sale for sale in told if sale.id not in there]
    outcome.lost = len(lost)
    outcome.lost_seconds = fire - min((sale.told_at for sale in lost), default=fire)
    outcome.lost_seconds_max = ARCHIVE_SECONDS + PUSH_SECONDS
    covered = [sale for sale in told if sale.told_at <= watch.covered_until()]
    outcome.archived = len(covered)
    found = verdict.judge(running, covered, crowd.run)
    outcome.archived_and_lost = found.lost + found.doubled + found.oversold + found.stock_errors


def judge(machine: Machine, steps: Steps, outcome: Outcome, later: Crowd) -> None:
    where = outcome.where
    after = verdict.judge(Running(machine), list(later.sales), later.run)
    steps.expect(outcome.seconds > 0 and after.is_good(),
                 f"{where}: sales after the restore: {after}")
    steps.expect(outcome.archived > 0, f"{where}: no sale was in the archived log")
    steps.expect(outcome.archived_and_lost == 0,
                 f"{where}: {outcome.archived_and_lost} sales of the archived log are wrong")
    steps.expect(outcome.lost_seconds <= outcome.lost_seconds_max,
                 f"{where}: sales of {outcome.lost_seconds:.1f} s are gone, and "
                 f"{outcome.lost_seconds_max:.0f} s were promised")


def not_run(machine: Machine) -> list[str]:
    """The document's commands that the lab has no use for."""
    try:
        text = (machine.place.folder / "not-run").read_text()
    except FileNotFoundError:
        return []
    return list(dict.fromkeys(text.replace(str(machine.place.machine), "").splitlines()))
