"""Buyers who measure: they buy all the time with keys, retry until they know, and remember it all.

A visitor meanwhile reads the list and a concert's page.
"""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field

# A server answers within 5 s; after this the answer is lost.
ANSWER_SECONDS = 6.0
RETRY_SECONDS = 0.1
# So long the last buyers of a trial go on asking.
GRACE_SECONDS = 20.0
# Together the buyers begin so often.
EVERY_SECONDS = 0.05
BUYERS = 10
READ_EVERY_SECONDS = 0.2
# One in so many buyers asks once more after the answer, with the same key.
ASK_AGAIN = 5

# "Later", not an answer: what became of the request is found out by asking again.
LATER = {408, 409, 425, 429, 500, 502, 503, 504}


@dataclass
class Sale:
    """One buyer's wish with one key, and what became of it."""

    key: str
    email: str
    quantity: int
    began: float
    number: int
    attempts: int = 0
    told_at: float | None = None
    id: str | None = None
    refusal: str | None = None
    asked_again: bool = False
    contradiction: str | None = None


@dataclass
class Read:
    at: float
    path: str
    status: int
    seconds: float


@dataclass
class Answer:
    status: int
    body: dict
    replayed: bool


class Client:
    """One keep-alive connection that is opened anew whenever it broke."""

    def __init__(self, host: str, port: int, seconds: float = ANSWER_SECONDS):
        self.connection = http.client.HTTPConnection(host, port, timeout=seconds)

    def get(self, path: str) -> int:
        try:
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0

    def reserve(self, concert: int, sale: Sale) -> Answer | None:
        """None when there is no answer."""
        body = json.dumps({
            "concert_id": concert, "quantity": sale.quantity,
            "customer_name": "Trial Buyer", "customer_email": sale.email,
        })
        headers = {"Content-Type": "application/json", "Idempotency-Key": sale.key}
        try:
            self.connection.request("POST", "/api/v1/reservations", body, headers)
            answer = self.connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return None
        try:
            told = json.loads(said)
        except ValueError:
            # A proxy's own page.
            told = {}
        replayed = answer.getheader("Idempotent-Replayed") == "true"
        return Answer(answer.status, told if isinstance(told, dict) else {}, replayed)


@dataclass
class Crowd:
    """All buyers and the visitor of a trial."""

    host: str
    port: int
    concert: int
    run: str
    sales: list[Sale] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def __post_init__(self):
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._given_up = threading.Event()
        self._next = time.monotonic()
        pages = ["/en/", f"/en/concerts/{self.concert}"]
        self._threads = [threading.Thread(target=self._buy, daemon=True) for _ in range(BUYERS)]
        self._threads += [threading.Thread(target=self._read, args=(page,), daemon=True)
                          for page in pages]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """No new buyers; those who are asking go on until they know, or for a while."""
        self._over.set()
        limit = time.monotonic() + grace_seconds
        for thread in self._threads:
            thread.join(max(0.0, limit - time.monotonic()))
        self._given_up.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)

    # ---- Buyers ----

    def _begin(self) -> Sale | None:
        with self._lock:
            start = max(self._next, time.monotonic() - EVERY_SECONDS)
            self._next = start + EVERY_SECONDS
        if self._over.wait(max(0.0, start - time.monotonic())):
            return None
        with self._lock:
            number = len(self.sales)
            name = f"trial-{self.run}-{number}"
            sale = Sale(name, f"{name}@example.org", 1 + number % 3, time.monotonic(), number)
            self.sales.append(sale)
        return sale

    def _buy(self) -> None:
        client = Client(self.host, self.port)
        while sale := self._begin():
            self._until_known(client, sale)
            if sale.id and sale.number % ASK_AGAIN == 0:
                self._ask_again(client, sale)

    def _until_known(self, client: Client, sale: Sale) -> None:
        while not self._given_up.is_set():
            sale.attempts += 1
            answer = client.reserve(self.concert, sale)
            if answer and answer.status == 201:
                sale.id, sale.told_at = answer.body.get("id"), time.monotonic()
                return
            if answer and answer.status not in LATER:
                sale.refusal = str(answer.body.get("code") or answer.status)
                sale.told_at = time.monotonic()
                return
            time.sleep(RETRY_SECONDS)

    def _ask_again(self, client: Client, sale: Sale) -> None:
        while not self._given_up.is_set():
            answer = client.reserve(self.concert, sale)
            if answer and answer.status == 201:
                sale.asked_again = True
                if answer.body.get("id") != sale.id:
                    sale.contradiction = f"told {sale.id}, then {answer.body.get('id')}"
                elif not answer.replayed:
                    sale.contradiction = f"the second answer for {sale.id} isn't marked as replayed"
                return
            if answer and answer.status not in LATER:
                sale.contradiction = f"told {sale.id}, then refused: {answer.body.get('code')}"
                return
            time.sleep(RETRY_SECONDS)

    # ---- The visitor ----

    def _read(self, path: str) -> None:
        client = Client(self.host, self.port)
        while not self._over.wait(READ_EVERY_SECONDS):
            began = time.monotonic()
            status = client.get(path)
            self.reads.append(Read(began, path, status, time.monotonic() - began))

    # ---- What they know ----

    def told(self) -> list[Sale]:
        """Acknowledged sales, in the order of their answers."""
        found = [sale for sale in list(self.sales) if sale.id]
        return sorted(found, key=lambda sale: sale.told_at)

    def told_since(self, moment: float) -> int:
        return sum(1 for sale in list(self.sales) if sale.id and sale.told_at >= moment)

    def open_before(self, moment: float) -> int:
        """Buyers who came before this moment and still don't know."""
        return sum(1 for sale in list(self.sales) if sale.told_at is None and sale.began < moment)

    def longest_gap(self, since: float, until: float) -> float:
        """The longest time between two acknowledged sales that touches this span."""
        times = [sale.told_at for sale in self.told()]
        before = [at for at in times if at <= since]
        points = [before[-1] if before else since]
        points += [at for at in times if since < at <= until]
        after = [at for at in times if at > until]
        points.append(after[0] if after else until)
        return max((later - former for former, later in zip(points, points[1:])), default=0.0)

    def reads_between(self, since: float, until: float) -> list[Read]:
        return [read for read in list(self.reads) if since <= read.at <= until]
