"""Compares what buyers were told with what the primary has, in plain SQL."""

from dataclasses import asdict, dataclass, field, replace

from . import LabError
from .buyer import Sale
from .cluster import Cluster

# `lost`: who was told of a reservation must have it as it was told, and who was refused none.
# `doubled`: a buyer, who has one key, with more than one reservation.
# A buyer who still waits may have one or none.
QUERY = """
CREATE TEMP TABLE told (id text, email text, quantity int);
CREATE TEMP TABLE refused (email text);
COPY told FROM stdin;
{told}\\.
COPY refused FROM stdin;
{refused}\\.
SELECT 'lost', t.id FROM told t
    LEFT JOIN reservations r
        ON r.id = t.id AND r.customer_email = t.email AND r.quantity = t.quantity
    WHERE r.id IS NULL;
SELECT 'lied', r.id FROM refused f JOIN reservations r ON r.customer_email = f.email;
SELECT 'doubled', customer_email FROM reservations
    WHERE customer_email LIKE 'trial-{run}-%' GROUP BY customer_email HAVING count(*) > 1;
WITH sold AS (
    SELECT c.id, c.total_tickets, c.available_tickets,
        coalesce(sum(r.quantity) FILTER (WHERE r.status IN ('pending', 'confirmed')), 0) AS tickets
    FROM concerts c LEFT JOIN reservations r ON r.concert_id = c.id
    GROUP BY c.id
)
SELECT CASE WHEN tickets > total_tickets THEN 'oversold' ELSE 'stock' END,
    id, total_tickets, available_tickets, tickets
    FROM sold WHERE tickets > total_tickets OR tickets + available_tickets <> total_tickets;
"""


@dataclass
class Verdict:
    acknowledged: int
    lost: int = 0
    oversold: int = 0
    doubled: int = 0
    # Concerts whose stock doesn't add up without being oversold.
    stock_errors: int = 0
    # Buyers who asked more than once, and those whose last answer is what the database says.
    retried: int = 0
    retries_that_told_the_truth: int = 0
    faults: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        wrong = self.lost or self.oversold or self.doubled or self.stock_errors
        return not wrong and self.retried == self.retries_that_told_the_truth

    def to_json(self) -> dict:
        return asdict(self)


# Wrongs that are made and undone again, to see that they are found: two reservations for one buyer,
# a concert with fewer tickets than it sold, and one whose stock doesn't add up.
WRONGS = """
BEGIN;
UPDATE reservations SET customer_email = '{first}' WHERE customer_email = '{second}';
UPDATE concerts SET total_tickets = 1, available_tickets = 0 WHERE id = {concert};
UPDATE concerts SET available_tickets = available_tickets - 1
    WHERE id = (SELECT min(id) FROM concerts WHERE id <> {concert} AND available_tickets > 0);
"""


def prove(cluster: Cluster, sales: list[Sale], run: str, concert: int) -> None:
    """A judge who finds nothing wrong is believed only if it would have: wrong answers about two
    real sales, and wrongs in the database, are all found."""
    first, second = [sale for sale in sales if sale.id][:2]
    answers = [replace(first, quantity=first.quantity + 1), replace(first, id=f"{first.id}-"),
               replace(first, id=None, refusal="sold_out"), replace(second, contradiction="two")]
    found = judge(cluster, answers, run)
    if (found.lost, found.doubled) != (3, 1):
        raise LabError(f"the verdict misses wrong answers: {found}")
    wrongs = WRONGS.format(first=first.email, second=second.email, concert=concert)
    found = judge(cluster, [], run, wrongs)
    if not (found.doubled == 1 and found.oversold > 0 and found.stock_errors == 1):
        raise LabError(f"the verdict misses wrongs in the database: {found}")


def judge(cluster: Cluster, sales: list[Sale], run: str, before: str = "") -> Verdict:
    """Of all sales whose buyers know by now. What is done `before` ends with the connection."""
    known = [sale for sale in sales if sale.told_at is not None]
    told = [sale for sale in known if sale.id]
    refused = [sale for sale in known if sale.refusal]
    rows = cluster.sql(before + QUERY.format(
        run=run,
        told="".join(f"{sale.id}\t{sale.email}\t{sale.quantity}\n" for sale in told),
        refused="".join(f"{sale.email}\n" for sale in refused),
    ))
    verdict = Verdict(acknowledged=len(told))
    wrong: set[str] = set()
    for kind, what, *more in rows:
        verdict.faults.append(" ".join((kind, what, *more)))
        wrong.add(what)
        if kind in ("lost", "lied"):
            verdict.lost += 1
        elif kind == "doubled":
            verdict.doubled += 1
        elif kind == "oversold":
            verdict.oversold += int(more[2]) - int(more[0])
        else:
            verdict.stock_errors += 1
    for sale in known:
        if sale.contradiction:
            verdict.faults.append(f"{sale.key}: {sale.contradiction}")
            verdict.doubled += 1
        if sale.attempts > 1 or sale.asked_again:
            verdict.retried += 1
            is_true = not ({sale.id, sale.email, sale.key} & wrong or sale.contradiction)
            verdict.retries_that_told_the_truth += is_true
    return verdict
