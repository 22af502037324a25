"""The faults: how each is made, what is looked at while it lasts, and what is promised about it."""

import json
import signal
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import LabError, network, processes
from .buyer import Client, Crowd, Sale
from .cluster import NoAnswer, wait_until
from .layout import Node, Server
from .lifecycle import Lab, get

# Whatever breaks, somebody must sell again within this time, or the trial is over.
SALES_SECONDS = 120.0
# Sales count as going on when so many were acknowledged lately.
FLOW = 5
# A primary that died isn't replaced before its lease of 20 s has run out, less what had passed of
# it: so long after the fault nobody sells for sure, and the servers have noticed.
AWAY_SECONDS = 4.0
# A cable that swallows everything is noticed when connections are given up, after 3 to 6 s.
SWALLOWED_SECONDS = 8.0


@dataclass
class Outcome:
    """What one fault did."""

    fault: str
    primary: str
    seconds_without_sales: float = 0.0
    rejoin_seconds: float = 0.0
    failed_reads: int = 0
    reads: int = 0
    slowest_read_seconds: float = 0.0
    checks: dict = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    verdict: dict = field(default_factory=dict)


class Trial:
    """A lab under load, with buyers who measure."""

    def __init__(self, lab: Lab, crowd: Crowd, patience: float):
        self.lab = lab
        self.crowd = crowd
        # Every limit of time is so many times as long, and over 1, what servers answer while they
        # can't sell is told and not judged. What is promised of sales stays.
        self.patience = patience

    def primary(self) -> Node:
        found = self.lab.cluster.primary()
        if found is None:
            raise LabError(f"no primary before the fault: {self.lab.cluster.describe()}")
        return found

    def standbys(self) -> list[Node]:
        primary = self.primary()
        return [node for node in self.lab.layout.nodes if node.name != primary.name]

    def wait_for_another(self, former: str) -> None:
        def done() -> bool:
            primary = self.lab.cluster.primary()
            return primary is not None and primary.name != former

        if not wait_until(done, SALES_SECONDS):
            raise LabError(f"nobody took over from {former}: {self.lab.cluster.describe()}")

    def sells(self, since: float) -> bool:
        return self.crowd.told_since(max(since, time.monotonic() - 1.0)) >= FLOW

    def wait_for_sales(self, since: float) -> None:
        if not wait_until(lambda: self.sells(since), SALES_SECONDS, 0.1):
            raise LabError(f"no sales {SALES_SECONDS:.0f} s after the fault: "
                           f"{self.lab.cluster.describe()}")


@dataclass(frozen=True)
class Fault:
    """One way to break the system. `watch` is how long its effects may take to show."""

    name: str
    title: str
    make: Callable[[Trial, Outcome], None]
    watch: float
    # Another node becomes primary; watching begins when it has.
    replaces: bool = False
    # The promised longest time without sales, and the median when it is repeated.
    limit: float | None = None
    median: float | None = None
    needs_namespaces: bool = False

    @property
    def planned_seconds(self) -> float:
        return self.watch + (35.0 if self.replaces else 12.0)


# ---- How each is made ----


def switch_over(trial: Trial, outcome: Outcome) -> None:
    trial.lab.cluster.switch_over(trial.primary())


def node_death(trial: Trial, outcome: Outcome) -> None:
    primary, leader = trial.primary(), trial.lab.cluster.etcd_leader()
    # A new leader of etcd prolongs all leases, also the dead primary's.
    outcome.checks["had_etcd_leader"] = leader is not None and leader.name == primary.name
    trial.lab.nodes.kill(primary)
    look_while_away(trial, outcome, AWAY_SECONDS)


def postgres_killed(trial: Trial, outcome: Outcome) -> None:
    trial.lab.nodes.kill_postmaster(trial.primary())


def patroni_killed(trial: Trial, outcome: Outcome) -> None:
    trial.lab.nodes.kill(trial.primary(), "patroni")


def partition(trial: Trial, outcome: Outcome) -> None:
    network.set_link(trial.lab.layout, trial.primary().name, False)
    look_while_away(trial, outcome, SWALLOWED_SECONDS)


def standby_frozen(trial: Trial, outcome: Outcome) -> None:
    standby = trial.standbys()[0]
    receiver = trial.lab.nodes.walreceiver(standby)
    if not receiver:
        raise LabError(f"{standby.name} has no walreceiver")
    processes.send(receiver, signal.SIGSTOP)
    outcome.checks["frozen"] = standby.name


def etcd_leader_lost(trial: Trial, outcome: Outcome) -> None:
    leader = trial.lab.cluster.etcd_leader()
    if leader is None:
        raise LabError("etcd has no leader")
    trial.lab.nodes.kill(leader, "etcd")
    outcome.checks["etcd_leader"] = leader.name


def standbys_lost(trial: Trial, outcome: Outcome) -> None:
    """Without a standby nothing is sold, and the first that returns is enough."""
    standbys = trial.standbys()
    for node in standbys:
        trial.lab.nodes.kill(node, "patroni", "postgres")
    # Answers that were on their way.
    gone = time.monotonic() + 1.0
    time.sleep(AWAY_SECONDS)
    ask_servers(trial, outcome)
    time.sleep(AWAY_SECONDS)
    sold = trial.crowd.told_since(gone)
    outcome.checks["acknowledged_without_standby"] = sold
    if sold:
        outcome.missed.append(f"{sold} sales were acknowledged without a standby")
    started = time.monotonic()
    trial.lab.nodes.start_patroni(standbys[0])
    streams = wait_until(lambda: _streams(trial, standbys[0]), SALES_SECONDS, 0.1)
    returned = time.monotonic()
    trial.wait_for_sales(started)
    first = next(sale.told_at for sale in trial.crowd.told() if sale.told_at >= started)
    outcome.checks["standby_back_seconds"] = round(returned - started, 1) if streams else None
    outcome.checks["sales_after_return_seconds"] = round(max(0.0, first - returned), 1)
    promised = 10.0 * trial.patience
    if not streams or first - returned > promised:
        outcome.missed.append(f"no sales within {promised:.0f} s of a standby's return")


def _streams(trial: Trial, node: Node) -> bool:
    try:
        return node.name in trial.lab.cluster.streaming()
    except (NoAnswer, LabError):
        return False


# ---- What the product says meanwhile ----


def look_while_away(trial: Trial, outcome: Outcome, noticed: float) -> None:
    time.sleep(noticed)
    ask_servers(trial, outcome)


def ask_servers(trial: Trial, outcome: Outcome) -> None:
    """Pages answer, sales are refused at once with a reason; each server on its own address."""
    threads = [threading.Thread(target=_ask, args=(trial, outcome, server))
               for server in trial.lab.layout.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ask(trial: Trial, outcome: Outcome, server: Server) -> None:
    hub, page = trial.lab.layout.hub, f"/en/concerts/{trial.crowd.concert}"
    seen: dict[str, object] = {}
    seen["sale"], seen["sale_seconds"] = try_to_buy(hub, server.port, trial)
    status, body = get(hub, server.port, "/readyz?for=writes", 6.0)
    seen["/readyz?for=writes"] = status
    seen["reason"] = _reason(body)
    for path in ("/readyz", "/en/", page):
        seen[path] = get(hub, server.port, path, 6.0)[0]
    outcome.checks[server.name] = seen
    if trial.patience > 1:
        # On a busy machine it may be over before everything was asked.
        return
    expected = {"/en/": 200, page: 200, "/readyz": 200, "/readyz?for=writes": 503,
                "sale": "503 database_unavailable"}
    for what, wanted in expected.items():
        if seen[what] != wanted:
            outcome.missed.append(f"{server.name}: {what} is {seen[what]}, not {wanted}")


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body).get("reason", ""))
    except (ValueError, AttributeError):
        return ""


def try_to_buy(host: str, port: int, trial: Trial) -> tuple[str, float]:
    """One request without a retry, which the crowd then counts as one of its own sales."""
    crowd = trial.crowd
    began = time.monotonic()
    name = f"trial-{crowd.run}-away-{began:.3f}"
    sale = Sale(name, f"{name}@example.org", 1, began, -1)
    answer = Client(host, port).reserve(crowd.concert, sale)
    seconds = round(time.monotonic() - began, 2)
    if answer is None:
        return "no answer", seconds
    if answer.status == 201:
        sale.id, sale.told_at, sale.attempts = answer.body.get("id"), time.monotonic(), 1
        crowd.sales.append(sale)
    return f"{answer.status} {answer.body.get('code', '')}".strip(), seconds


FAULTS = {fault.name: fault for fault in (
    Fault("switchover", "planned switchover", switch_over, 6, limit=3.0),
    Fault("node-death", "the primary's machine dies", node_death, 3, replaces=True, limit=25.0,
          median=20.0),
    Fault("postgres-killed", "kill -9 of PostgreSQL alone", postgres_killed, 20),
    Fault("patroni-killed", "kill -9 of Patroni alone", patroni_killed, 10, replaces=True),
    Fault("partition", "the primary is cut off", partition, 10, replaces=True, limit=30.0,
          needs_namespaces=True),
    Fault("standby-frozen", "a standby freezes", standby_frozen, 12, limit=3.0),
    Fault("etcd-leader-lost", "etcd's leader dies", etcd_leader_lost, 15),
    Fault("standbys-lost", "both standbys die", standbys_lost, 5),
)}


def run(trial: Trial, fault: Fault) -> Outcome:
    """Breaks it, waits until it sells again, mends it, and measures; the verdict comes later."""
    trial.lab.cluster.wait_whole(60)
    trial.wait_for_sales(time.monotonic())
    outcome = Outcome(fault.name, trial.primary().name)
    began = time.monotonic()
    try:
        fault.make(trial, outcome)
        if fault.replaces:
            trial.wait_for_another(outcome.primary)
            outcome.checks["replaced_seconds"] = round(time.monotonic() - began, 1)
        time.sleep(fault.watch)
        trial.wait_for_sales(time.monotonic())
    finally:
        mended = time.monotonic()
        trial.lab.nodes.mend()
    trial.lab.cluster.wait_whole(90)
    outcome.rejoin_seconds = round(time.monotonic() - mended, 1)
    trial.wait_for_sales(time.monotonic())
    ended = time.monotonic()
    # Who came before the end knows by then, or is one of those who never learn.
    wait_until(lambda: not trial.crowd.open_before(ended), 30)
    outcome.seconds_without_sales = round(trial.crowd.longest_gap(began, ended), 2)
    _look_at_reads(trial, outcome, began, ended)
    if fault.limit is not None:
        limit = fault.limit * trial.patience
        if outcome.seconds_without_sales > limit:
            outcome.missed.append(
                f"{outcome.seconds_without_sales} s without sales, promised are {limit:.0f}")
    return outcome


def _look_at_reads(trial: Trial, outcome: Outcome, began: float, ended: float) -> None:
    reads = trial.crowd.reads_between(began, ended)
    outcome.reads = len(reads)
    outcome.failed_reads = sum(1 for read in reads if read.status != 200)
    outcome.slowest_read_seconds = round(max((read.seconds for read in reads), default=0.0), 2)


def medians_missed(outcomes: list[Outcome], patience: float) -> list[str]:
    """Promised medians, of faults that were made at least three times."""
    missed = []
    for fault in FAULTS.values():
        found = [o.seconds_without_sales for o in outcomes if o.fault == fault.name]
        if fault.median and len(found) >= 3:
            median = statistics.median(found)
            if median > fault.median * patience:
                missed.append(f"{fault.name}: the median of {len(found)} is {median:.1f} s, "
                              f"promised are {fault.median * patience:.0f}")
    return missed
