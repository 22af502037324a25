#!/usr/bin/env python3
"""How fast an installation would sell that no machine here can show: a simulation of the engine.

    ops/capacity/model.py            the check against what was measured, then all tables
    ops/capacity/model.py --check    the check alone; exits 1 when a prediction is off by over 20 %

What it is
    Buyers want one ticket each of a hot concert and come again as soon as they are answered (a
    closed loop, as in docs/performance.md). Each passes the client's and the server's processors;
    what has gathered when a batch ends becomes the next one, up to 512. A batch takes: the server's
    work for a batch and for each of its requests, then in the database a fixed time and a time for
    each row, the round trips that it makes between server and database, and what its COMMIT waits
    for a standby. Whoever works shares the cores of the machine evenly with who else does.

Where the figures come from
    docs/performance.md, which is read each time: its figures for one buyer, for 256, and for the
    database alone (two cores, everything on them). Nothing else is fitted. The other crowds of the
    same table are predicted, and the error is printed.

What it assumes, and so can't tell
    - How much concerts that sell at the same time hinder each other inside PostgreSQL. Of each row's
      work the share `--serial` (half) is done by one connection at a time; that is a guess, and
      matters only where several concerts are hot at once. With one concert nothing is guessed.
    - Other cores are as fast as the measured ones, and other disks flush as fast.
    - A standby takes a round trip and one more flush, and nothing of the primary's processor.
    - No checkpoint, no vacuum, no other work; the network has times, and no limit of bytes.
"""

import argparse
import heapq
import sys
from pathlib import Path

BATCH_MAX = 512
LANES = 4

PERFORMANCE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
SECTION = "## With an empty table"


def measured() -> dict[str, list[str]]:
    """The cells of the measured table, by case: per second, range, p50, p99, processor time, batch."""
    text = PERFORMANCE.read_text(encoding="utf-8")
    if SECTION not in text:
        raise SystemExit(f"{PERFORMANCE} has no part {SECTION!r}")
    rows = {}
    for line in text.split(SECTION, 1)[1].split("\n## ", 1)[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 6:
            rows[cells[0]] = cells[1:]
    return rows


ROWS = measured()


def figure(case: str, column: int) -> float:
    return float(ROWS[case][column].replace(",", ""))


PER_SECOND, P50, PROCESSOR, BATCH = 0, 2, 4, 5
ALONE_PER_SECOND = figure("the database alone, one connection", PER_SECOND)    # 512 rows a batch
ONE_PER_SECOND = figure("engine, 1 at once", PER_SECOND)
CROWD_PER_SECOND = figure("engine, 256 at once", PER_SECOND)
SERVER_ONE = figure("engine, 1 at once", PROCESSOR)         # microseconds for each request …
SERVER_CROWD = figure("engine, 256 at once", PROCESSOR)     # … of a batch of this size
CROWD_BATCH = figure("engine, 256 at once", BATCH)
PLAIN_PER_SECOND = figure("plain way, 64 at once", PER_SECOND)

# Measured apart: bytes of WAL for a sale in a crowd, between checkpoints …
WAL_BYTES = 1_900
# … and a flush, with pg_test_fsync (8 kB, fdatasync) on a machine of the same kind.
FLUSH = 193.0

# The crowds that the model is compared with; two of them were used above.
CROWDS = {1: "calibrated", 20: "predicted", 64: "predicted", 256: "calibrated", 1024: "predicted"}
ERROR_MAX = 0.20


class Costs:
    """Microseconds of work and of waiting; `client` is what the load generator takes for a buyer."""

    def __init__(self, client: float, serial: float):
        # SERVER_ONE = batch + request; SERVER_CROWD = batch / CROWD_BATCH + request
        self.serial = serial
        self.server_batch = (SERVER_ONE - SERVER_CROWD) / (1 - 1 / CROWD_BATCH)
        self.server_request = SERVER_ONE - self.server_batch
        self.client = client
        # ONE = client + server + fixed + row; ALONE: 512 rows take fixed + 512 * row.
        one = 1e6 / ONE_PER_SECOND - client - SERVER_ONE
        alone = 1e6 / ALONE_PER_SECOND * BATCH_MAX
        self.row = (alone - one) / (BATCH_MAX - 1)
        self.fixed = one - self.row


class Machine:
    """Cores that whoever works shares evenly; a job is work to do and what happens after it."""

    def __init__(self, cores: float):
        self.cores = cores
        self.served = 0.0       # work that each of those at it has had since the beginning
        self.since = 0.0
        self.jobs: list = []    # (served at which it is done, number, what then)
        self.number = 0

    def rate(self) -> float:
        return min(1.0, self.cores / len(self.jobs)) if self.jobs else 0.0

    def advance(self, now: float) -> None:
        self.served += (now - self.since) * self.rate()
        self.since = now

    def add(self, now: float, work: float, then) -> None:
        self.advance(now)
        self.number += 1
        heapq.heappush(self.jobs, (self.served + work, self.number, then))

    def next_end(self) -> float:
        if not self.jobs:
            return float("inf")
        return self.since + max(0.0, self.jobs[0][0] - self.served) / self.rate()

    def finish(self, now: float):
        self.advance(now)
        return heapq.heappop(self.jobs)[2]


class Line:
    """Work that is done one after another, by `hands` at once, on a machine."""

    def __init__(self, machine: Machine, hands: int):
        self.machine, self.free, self.waiting, self.head = machine, hands, [], 0

    def add(self, now: float, work: float, then) -> None:
        if self.free:
            self.free -= 1
            self._begin(now, work, then)
        else:
            self.waiting.append((work, then))

    def _begin(self, now: float, work: float, then) -> None:
        def done(at: float) -> None:
            if self.head < len(self.waiting):
                self._begin(at, *self.waiting[self.head])
                self.head += 1
                if self.head > 10_000:
                    del self.waiting[: self.head]
                    self.head = 0
            else:
                self.free += 1
            then(at)

        self.machine.add(now, work, done)


class Trial:
    """Buyers at one installation for some simulated time."""

    def __init__(self, costs: Costs, buyers: int, *, seconds: float = 2.0, concerts: int = 1,
                 lanes: int = LANES, cores: dict | None = None, reach: float = 0.0,
                 standby: float | None = None):
        """`cores` of client, server and database apart; without it two for all. `reach` is the round
        trip between server and database, `standby` that between primary and standby, in µs."""
        self.costs, self.concerts, self.standby = costs, concerts, standby
        if cores is None:
            both = Machine(2)
            self.machines = {"client": both, "server": both, "database": both}
            hands = 2
        else:
            self.machines = {name: Machine(number) for name, number in cores.items()}
            hands = cores["server"]
        # The load generator of the measured rows is one thread; many buyers' machines are not.
        self.client = Line(self.machines["client"], 1 if cores is None else cores["client"])
        self.server = Line(self.machines["server"], hands)
        self.one_by_one = Line(self.machines["database"], 1)
        self.fixed = costs.fixed + 2 * reach + (0.0 if standby is None else standby + FLUSH)
        self.buyers = buyers
        self.end = seconds * 1e6
        self.gathered: list[list] = [[] for _ in range(min(lanes, concerts))]
        self.busy = [False] * len(self.gathered)
        self.timers: list = []
        self.number = 0
        self.sold = 0
        self.batches: list[int] = []
        self.waits: list[float] = []

    def later(self, at: float, then) -> None:
        self.number += 1
        heapq.heappush(self.timers, (at, self.number, then))

    def run(self) -> dict:
        for buyer in range(self.buyers):
            self.come(0.0, buyer)
        machines = set(self.machines.values())
        while True:
            machine = min(machines, key=Machine.next_end)
            timer = self.timers[0][0] if self.timers else float("inf")
            now = min(machine.next_end(), timer)
            if now > self.end:
                break
            if timer <= now:
                heapq.heappop(self.timers)[2](now)
            else:
                machine.finish(now)(now)
        self.waits.sort()
        measured = (self.end - self.end / 4) / 1e6
        of = lambda part: self.waits[int(len(self.waits) * part)] / 1e3 if self.waits else 0.0  # noqa: E731
        return {"per_second": self.sold / measured, "p50_ms": of(0.5), "p99_ms": of(0.99),
                "batch": sum(self.batches) / max(1, len(self.batches))}

    def come(self, now: float, buyer: int) -> None:
        self.client.add(now, self.costs.client, lambda at: self.ask(at, buyer, now))

    def ask(self, now: float, buyer: int, since: float) -> None:
        lane = (buyer % self.concerts) % len(self.gathered)
        self.server.add(now, self.costs.server_request, lambda at: self.gather(at, lane, buyer, since))

    def gather(self, now: float, lane: int, buyer: int, since: float) -> None:
        self.gathered[lane].append((buyer, since))
        if not self.busy[lane]:
            self.decide(now, lane)

    def decide(self, now: float, lane: int) -> None:
        """The next batch of a lane: the server's work, then the database's, then what is waited for."""
        batch, self.gathered[lane] = self.gathered[lane][:BATCH_MAX], self.gathered[lane][BATCH_MAX:]
        self.busy[lane] = True

        def written(at: float) -> None:
            self.later(at + self.fixed, lambda end: self.answer(end, lane, batch))

        work = self.costs.row * len(batch)

        def inserted(at: float) -> None:
            self.one_by_one.add(at, work * self.costs.serial, written)

        def prepared(at: float) -> None:
            self.machines["database"].add(at, work * (1 - self.costs.serial), inserted)

        self.machines["server"].add(now, self.costs.server_batch, prepared)

    def answer(self, now: float, lane: int, batch: list) -> None:
        self.busy[lane] = False
        if self.gathered[lane]:
            self.decide(now, lane)
        is_counted = now > self.end / 4     # the crowd's first seconds are no steady state
        if is_counted:
            self.batches.append(len(batch))
        for buyer, since in batch:
            if is_counted:
                self.sold += 1
                self.waits.append(now - since)
            self.come(now, buyer)


def calibrate(serial: float) -> Costs:
    """The client's work such that 256 buyers get what they got; everything else follows by itself."""
    low, high = 1.0, 150.0
    for _ in range(14):
        middle = (low + high) / 2
        if Trial(Costs(middle, serial), 256, seconds=1.0).run()["per_second"] > CROWD_PER_SECOND:
            low = middle
        else:
            high = middle
    return Costs((low + high) / 2, serial)


def plain_way(standby: float | None) -> float:
    """One transaction for each buyer, one after the other, whatever the crowd."""
    wait = 0.0 if standby is None else standby + FLUSH
    return 1e6 / (1e6 / PLAIN_PER_SECOND + wait)


def check(costs: Costs) -> bool:
    print(f"Work and waiting, µs: client {costs.client:.0f}; server {costs.server_request:.0f} for a request and "
          f"{costs.server_batch:.0f} for a batch;\ndatabase {costs.row:.1f} for a row and {costs.fixed:.0f} for a batch.\n")
    print("| buyers at once | measured, per second | model | error | measured batch | model | measured p50, ms | model | |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    is_good = True
    for buyers, kind in CROWDS.items():
        case = f"engine, {buyers} at once"
        per_second, batch, p50 = figure(case, PER_SECOND), figure(case, BATCH), figure(case, P50)
        found = Trial(costs, buyers).run()
        error = found["per_second"] / per_second - 1
        is_good = is_good and abs(error) <= ERROR_MAX
        print(f"| {buyers} | {per_second:.0f} | {found['per_second']:.0f} | {error:+.0%} | {batch:.0f} | {found['batch']:.0f} "
              f"| {p50} | {found['p50_ms']:.1f} | {kind} |")
    print()
    return is_good


APART = {"client": 64, "server": 8, "database": 8}


def about(per_second: float) -> str:
    """More digits than that would be a lie."""
    return f"{round(per_second, -2 if per_second >= 1000 else 0):,.0f}"


def standby_table(costs: Costs) -> None:
    print("One concert, servers and database on machines of eight cores each, 0.2 ms between them.\n")
    print("| round trip to the standby | 256 buyers, per second | p99, ms | 1,024 buyers, per second | p99, ms | plain way, per second | engine at 256, times |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for ms in (None, 0.2, 0.5, 1, 2, 5, 10, 30):
        standby = None if ms is None else ms * 1000.0
        few = Trial(costs, 256, cores=APART, reach=200.0, standby=standby).run()
        many = Trial(costs, 1024, cores=APART, reach=200.0, standby=standby).run()
        plain = plain_way(standby)
        name = "no standby" if ms is None else f"{ms} ms"
        print(f"| {name} | {about(few['per_second'])} | {few['p99_ms']:.0f} | {about(many['per_second'])} | {many['p99_ms']:.0f} "
              f"| {plain:.0f} | {few['per_second'] / plain:.0f} |")
    print()


def reach_table(costs: Costs) -> None:
    print("The same with a standby 0.5 ms away, by the round trip between server and database.\n")
    print("| server to database | 256 buyers, per second | 1,024 buyers, per second | a single buyer, ms |")
    print("|--:|--:|--:|--:|")
    for ms in (0.05, 0.2, 0.5, 1, 2, 5):
        of = lambda buyers: Trial(costs, buyers, cores=APART, reach=ms * 1000, standby=500.0).run()  # noqa: B023,E731
        print(f"| {ms} ms | {about(of(256)['per_second'])} | {about(of(1024)['per_second'])} | {of(1)['p50_ms']:.1f} |")
    print()


def size_table(costs: Costs) -> None:
    print("1,024 buyers, a standby 0.5 ms away, 0.2 ms between server and database.\n")
    print("| servers' cores | primary's cores | concerts that are hot at once | per second | p99, ms | WAL, MB a second |")
    print("|--:|--:|--:|--:|--:|--:|")
    for server, database, concerts in ((1, 2, 1), (2, 2, 1), (8, 8, 1), (2, 2, 4), (4, 4, 4), (8, 8, 4)):
        cores = {"client": 64, "server": server, "database": database}
        found = Trial(costs, 1024, cores=cores, reach=200.0, standby=500.0, concerts=concerts).run()
        print(f"| {server} | {database} | {concerts} | {about(found['per_second'])} | {found['p99_ms']:.0f} "
              f"| {found['per_second'] * WAL_BYTES / 1e6:.0f} |")
    print()


def shard_table(costs: Costs) -> None:
    print("Beyond one primary: 1,024 buyers at each hot concert, each primary of eight cores with a standby\n"
          "0.5 ms away and with servers of its own; Citus with 0.2 ms more to its workers.\n")
    print("| layout | one hot concert, per second | four hot concerts, per second |")
    print("|---|--:|--:|")

    def of(concerts: int, shards: int = 1, reach: float = 200.0) -> float:
        each = max(1, concerts // shards)
        found = Trial(costs, 1024 * each, seconds=1.0, cores=APART, reach=reach, standby=500.0, concerts=each).run()
        return found["per_second"] * min(shards, concerts)

    print(f"| one primary | {about(of(1))} | {about(of(4))} |")
    print(f"| two shards, by promoter | {about(of(1, 2))} | {about(of(4, 2))} |")
    print(f"| four shards, by promoter | {about(of(1, 4))} | {about(of(4, 4))} |")
    print(f"| Citus with four workers, if it took the schema | {about(of(1, 4, 400.0))} | {about(of(4, 4, 400.0))} |")
    print()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare with what was measured")
    parser.add_argument("--serial", type=float, default=0.5, metavar="SHARE",
                        help="of each row's work, what only one connection can do at a time (0.5)")
    args = parser.parse_args()
    costs = calibrate(args.serial)
    is_good = check(costs)
    if not args.check:
        for table in (standby_table, reach_table, size_table, shard_table):
            table(costs)
    if not is_good:
        print(f"a row is off by over {ERROR_MAX:.0%}", file=sys.stderr)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
