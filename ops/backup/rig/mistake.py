"""A table is dropped by mistake while people buy: what is in the copies of one second before."""

import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone

from lab import LabError, verdict
from lab.buyer import Crowd, Sale
from lab.cluster import wait_until

from .machine import Machine
from .steps import Steps

REPOSITORIES = {1: "local", 2: "S3", 3: "Azure"}
SECOND = timedelta(seconds=1)
# Buyers who are told that nothing can be sold now.
GRACE_SECONDS = 0.5
# One archive_timeout, and the push to clouds.
ARCHIVED_SECONDS = 150
DIGESTS = "SELECT id, md5(r::text) FROM reservations r"


@dataclass
class Copy:
    """What a restore took, and what was found in it."""

    repo: int
    where: str
    seconds: float
    files_seconds: float
    log_seconds: float
    expected: int
    missing: int = 0
    altered: int = 0
    doubled: int = 0
    audit_ok: bool = False
    invariants_ok: bool = False
    faults: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        wrong = self.missing or self.altered or self.doubled or self.faults
        return not wrong and self.audit_ok and self.invariants_ok

    def to_json(self) -> dict:
        return asdict(self)


class Running:
    """The database that `verdict` asks."""

    def __init__(self, machine: Machine, socket: str = "/var/run/postgresql"):
        self.machine = machine
        self.socket = socket

    def sql(self, text: str) -> list[list[str]]:
        return self.machine.sql(text, socket=self.socket)


class Clock:
    """Buyers note a clock that never jumps; the database knows the time of day."""

    def __init__(self):
        self.offset = time.time() - time.monotonic()

    def at(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment + self.offset, timezone.utc)

    def told_until(self, sales: list[Sale], moment: datetime) -> list[Sale]:
        return [sale for sale in sales
                if sale.told_at is not None and self.at(sale.told_at) <= moment]


@dataclass
class Accident:
    moment: datetime
    digests: dict[str, str]

    @property
    def target(self) -> datetime:
        return self.moment - SECOND


def begin_sales(machine: Machine, tickets: int) -> Crowd:
    run = secrets.token_hex(3)
    crowd = Crowd("127.0.0.1", machine.place.ports.shop, machine.concert(run, tickets), run)
    crowd.start()
    return crowd


def wait_for_sales(crowd: Crowd, seconds: float) -> None:
    """Somebody buys, and others go on for so long."""
    if not wait_until(crowd.told, 30):
        raise LabError(f"nobody could buy: {[sale.refusal for sale in crowd.sales][:5]}")
    time.sleep(seconds)


def drop_table(machine: Machine) -> Accident:
    """By the owner, who thinks this is the database for tests. What stood there is noted before."""
    rows = machine.sql("BEGIN;\nLOCK TABLE reservations;\n"
                       f"{DIGESTS};\nSELECT clock_timestamp();\nSET ROLE stagedoor_owner;\n"
                       "DROP TABLE reservations CASCADE;\nCOMMIT;")
    moment = datetime.fromisoformat(rows.pop()[0]).astimezone(timezone.utc)
    return Accident(moment, dict(rows))


def wait_archived(machine: Machine, at_once: bool) -> float:
    """Until all log so far is in every repository; `at_once` doesn't wait for archive_timeout."""
    started = time.monotonic()
    now = machine.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")[0][0]
    if at_once:
        machine.sql("SELECT pg_switch_wal()")

    def done() -> bool:
        last = "SELECT coalesce(last_archived_wal, '') >= %s FROM pg_stat_archiver"
        return machine.sql(last % f"'{now}'") == [["t"]]

    if not wait_until(done, ARCHIVED_SECONDS, 0.5):
        raise LabError(f"{now} isn't archived: {machine.sql('TABLE pg_stat_archiver')}")
    return time.monotonic() - started


def restore_and_judge(machine: Machine, repo: int, accident: Accident, crowd: Crowd,
                      clock: Clock) -> Copy:
    """Restores beside the running system, and compares with what buyers were told."""
    folder = f"/var/lib/copy{repo}"
    target = accident.target.strftime("%Y-%m-%d %H:%M:%S.%f+00")
    started = time.monotonic()
    report = machine.json(
        f"sudo stagedoor-backup restore --to '{target}' --into {folder} --repo {repo}")
    seconds = time.monotonic() - started
    told = clock.told_until(crowd.sales, accident.target)
    copy = Copy(repo, REPOSITORIES[repo], seconds, report["copied_seconds"],
                report["recovered_seconds"], expected=sum(1 for sale in told if sale.id),
                invariants_ok=report["ok"] is True)
    copy.faults += [json.dumps(one) for one in report["findings"] if one["severity"] == "error"]
    machine.shell(report["start"])
    try:
        judge(machine, copy, folder, told, accident, crowd)
    finally:
        machine.shell(f"{machine.postgres}/pg_ctl stop -s -D {folder} -m immediate")
        machine.shell(f"rm -rf {folder}")
    return copy


def judge(machine: Machine, copy: Copy, folder: str, told: list[Sale], accident: Accident,
          crowd: Crowd) -> None:
    running = Running(machine, folder)
    found = verdict.judge(running, told, crowd.run)
    copy.missing, copy.doubled = found.lost, found.doubled
    copy.faults += found.faults
    there = dict(running.sql(DIGESTS + ";"))
    ids = [sale.id for sale in told if sale.id]
    copy.altered = sum(1 for one in ids if there.get(one) != accident.digests.get(one))
    # Nobody was told of anything that the drop didn't take, and the copy ends where it was told to.
    copy.faults += [f"{sale.id} was told of and wasn't there before the drop"
                    for sale in crowd.told() if sale.id not in accident.digests]
    copy.faults += [f"{row[0]} is newer than the copy" for row in running.sql(
        f"SELECT id FROM reservations WHERE created_at > timestamptz '{accident.target}' "
        "AT TIME ZONE 'UTC';")]
    verified = machine.shell(
        f"DATABASE_URL='postgresql://stagedoor_app@/stagedoor?host={folder}' "
        "STAGEDOOR_CONFIG=/etc/stagedoor/stagedoor.toml "
        "STAGEDOOR_SECRET_KEY_FILE=/etc/stagedoor/secrets/secret_key stagedoor audit verify",
        may_fail=True)
    copy.audit_ok = verified.returncode == 0
    if not copy.audit_ok:
        copy.faults.append(f"audit verify: {verified.stdout}{verified.stderr}".strip())


def go_back(machine: Machine, accident: Accident) -> None:
    """The shop goes on from one second before: nothing could be sold since the drop."""
    target = accident.target.strftime("%Y-%m-%d %H:%M:%S.%f+00")
    machine.shell(
        "sudo systemctl stop stagedoor\nsudo systemctl stop postgresql\n"
        f"sudo stagedoor-backup restore --to '{target}' "
        "--into /var/lib/postgresql/15/main --replace --as-primary --repo 1\n"
        "sudo systemctl start postgresql\n"
        "until [ \"$(sudo -u postgres psql -d stagedoor -Atc 'SELECT pg_is_in_recovery()')\" = f ]\n"
        "do sleep 0.1; done\nsudo systemctl start stagedoor")
    machine.wait_ready()
    wait_archived(machine, at_once=True)
    as_backup(machine, "check --log --repo 1")


def run(machine: Machine, steps: Steps, *, sales_seconds: float, at_once: bool) -> list[Copy]:
    clock = Clock()
    crowd = begin_sales(machine, 1_000_000)
    try:
        with steps.step("people buy"):
            wait_for_sales(crowd, sales_seconds)
        verdict.prove(Running(machine), list(crowd.sales), crowd.run, crowd.concert)
        with steps.step("`DROP TABLE reservations CASCADE`, by mistake, while people buy") as step:
            accident = drop_table(machine)
            step.note = f"at {accident.moment:%H:%M:%S.%f} UTC"
            time.sleep(2)
    finally:
        crowd.stop(GRACE_SECONDS)
    with steps.step("its log is in all repositories") as step:
        wait_archived(machine, at_once)
        step.note = "by `pg_switch_wal()`" if at_once else "by `archive_timeout`"
    copies = []
    for repo, where in REPOSITORIES.items():
        with steps.step(f"the second before is restored from {where}, and judged") as step:
            copy = restore_and_judge(machine, repo, accident, crowd, clock)
            copies.append(copy)
            step.note = (f"restore {copy.seconds:.1f} s; {copy.expected} acknowledged, "
                         f"{copy.missing} missing, {copy.altered} altered, {copy.doubled} doubled")
        for fault in copy.faults:
            steps.miss(f"{where}: {fault}")
        steps.expect(copy.is_good() and copy.expected > 0, f"{where}: the copy isn't what was told")
    with steps.step("the shop goes back to that second, and sells"):
        go_back(machine, accident)
        after = begin_sales(machine, 1_000)
        wait_for_sales(after, 0)
        after.stop()
    return copies


def back_up(machine: Machine, steps: Steps, repos: Iterable[int]) -> None:
    for repo in repos:
        where = REPOSITORIES[repo]
        with steps.step(f"full backup to {where}, while people buy") as step:
            [made] = json.loads(as_backup(machine, f"run --repo {repo} --json"))["runs"]
            step.note = made["label"]
        with steps.step(f"`stagedoor backup check` of {where}"):
            as_backup(machine, f"check --repo {repo}")


def as_backup(machine: Machine, arguments: str) -> str:
    """With the login that writes down how it ended."""
    return machine.shell(f"sudo stagedoor-backup {arguments}").stdout


def unit(machine: Machine, name: str) -> str:
    """As its timer starts it; what it says."""
    return machine.shell(f"sudo systemctl start {name}").stdout
