"""What schemathesis can't know of stagedoor: whose token a call needs, and which rows there are.

Read by scripts/scan.sh. Nothing here changes what counts as a fault, except `filter_failure`,
which says for each exception why no document could have told.
"""

import itertools
import json
import os
import random
import urllib.request

import schemathesis

API = os.environ["SCAN_URL"] + "/api/v1"
TOKEN = os.environ.get("SCAN_TOKEN", "")
KEEP = os.environ.get("SCAN_KEEP", "").split(",")
ROLE = os.environ.get("SCAN_AS", "nobody")

# Ids that calls can be made with, reservations by their tokens, and cursors that pages gave.
concerts, users, reservations, access, cursors = [], [], [], {}, {}
keys = itertools.count()
# Of its own: the shared one is set back before every case.
dice = random.Random()


def ask(path, body):
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(API + path, json.dumps(body).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def prepare():
    """Concerts that don't sell out, and a few reservations, each by a customer of its own."""
    for price in ("0.00", "1250.00", "99999999.99"):
        concert = {"name": "Scan", "artist": "Scan", "date": "2199-12-31", "venue": "Scan"}
        made = ask("/admin/concerts", {**concert, "price": price, "total_tickets": 1_000_000})
        ask(f"/admin/concerts/{made['id']}/open", {})
        concerts.append(made["id"])
    for index in range(50):
        wish = {"concert_id": concerts[index % 2], "quantity": 1, "customer_name": "Scan"}
        made = ask("/reservations", {**wish, "customer_email": customer()})
        reservations.append(made["id"])
        access[made["access_token"]] = made["id"]


def customer():
    return f"scan-{os.getpid()}-{next(keys)}@example.org"


prepare()


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, _case, _context):
        if ROLE == "holder":
            return dice.choice(list(access))
        return TOKEN if ROLE == "staff" else None

    def set(self, case, token, _context):
        if token:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


def pool(path):
    # Those on sale stay so: staff get the concerts that calls have made.
    pools = {
        "/concerts/{id}": concerts,
        "/admin/concerts/{id}": concerts[3:],
        "/admin/users/{id}": users,
        "/reservations/{id}": reservations,
        "/admin/reservations/{id}": reservations,
    }
    return next((ids for begin, ids in pools.items() if path.startswith(begin)), [])


@schemathesis.hook
def before_call(context, case, kwargs):
    """Random ids are all unknown: three of four valid calls get one that there is."""
    if case.operation.label == "POST /admin/sessions":
        # Else nearly all attempts come from a locked address; the server must trust this one.
        address = f"2001:db8:{dice.getrandbits(16):x}:{dice.getrandbits(16):x}::1"
        case.headers = {**(case.headers or {}), "X-Forwarded-For": address}
    meta = case.meta
    if case.path.endswith("/live") and str(case.path_parameters.get("id", "")).isdigit():
        # A stream that there is would never end.
        case.path_parameters = {"id": dice.randint(10**6, 2**31 - 1)}
        return
    if not meta or not meta.generation.mode.is_positive or meta.phase.name.value == "stateful":
        return
    known = pool(case.path)
    if known and dice.random() < 0.75:
        case.path_parameters = {"id": dice.choice(known[-200:])}
        shown = (case.headers or {}).get("Authorization", "").removeprefix("Bearer ")
        if shown in access:
            case.path_parameters = {"id": access[shown]}
    body, query = case.body, case.query
    if case.operation.label == "POST /reservations" and isinstance(body, dict):
        if dice.random() < 0.75:
            wish = {"concert_id": dice.choice(concerts[:3]), "quantity": dice.randint(1, 11)}
            case.body = {**body, **wish, "customer_email": customer()}
        if case.headers and "Idempotency-Key" in case.headers and dice.random() < 0.75:
            # Else nearly all of them repeat the key that is found first.
            case.headers["Idempotency-Key"] = f"scan-{os.getpid()}-{next(keys)}"
    if case.headers and "If-Match" in case.headers and dice.random() < 0.75:
        case.headers["If-Match"] = "*"
    if case.operation.label == "POST /admin/users" and isinstance(body, dict):
        if dice.random() < 0.75:
            email = customer()
            case.body = {**body, "username": email.split("@")[0], "email": email}
    if case.path.startswith("/admin/users") and isinstance(case.body, dict):
        if "password" in case.body and dice.random() < 0.75:
            # Else nearly all of them are easy to guess.
            case.body = {**case.body, "password": f"quince lantern ferry {dice.random()}"}
    if query and "cursor" in query:
        # Cursors are opaque: only those that a page gave are valid.
        given = cursors.get(case.path)
        case.query = {k: v for k, v in query.items() if k != "cursor"}
        if given:
            case.query["cursor"] = dice.choice(given)


@schemathesis.hook
def filter_case(context, case):
    """Nobody takes the accounts away that were there before, the scanner's own among them."""
    is_own = str((case.path_parameters or {}).get("id", "")).strip() in KEEP
    return not (case.path.startswith("/admin/users/") and is_own)


@schemathesis.hook
def after_call(context, case, response):
    """Remembers what an answer made known."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return
    if not isinstance(body, dict) or not 200 <= response.status_code < 300:
        return
    if body.get("next_cursor"):
        cursors.setdefault(case.path, []).append(body["next_cursor"])
    if "access_token" in body:
        access[body["access_token"]] = body["id"]
        reservations.append(body["id"])
    if case.operation.label == "POST /admin/concerts":
        concerts.append(body["id"])
    if case.operation.label == "POST /admin/users":
        users.append(body["id"])


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Answers that are right, though the scanner can't know it."""
    if response is None:
        return True
    try:
        problem = json.loads(response.content)
    except ValueError:
        return True
    kind, code = type(failure).__name__, problem.get("code")
    if kind == "IgnoredAuth":
        # Nobody learns from the answer whether there is such a reservation.
        return not ("404" in failure.message and case.path.startswith("/reservations/"))
    if kind == "MissingHeaderNotRejected":
        return code != "precondition_required"  # RFC 6585, section 3
    if kind != "RejectedPositiveData":
        return True
    # Refused for what was before, or for what a schema can't say.
    if code in ("idempotency_key_reused", "precondition_failed"):
        return False
    told = {(error["pointer"], error["code"]) for error in problem.get("errors", [])}
    return not told or not told <= {
        ("/totp", "invalid"),  # not the code that the authenticator shows, or one's own factor
        ("/password", "invalid"),  # not the current one, easy to guess, or one's own
        ("/current_password", "invalid"),
        ("/new_password", "invalid"),  # easy to guess, or the current one
        ("/username", "taken"),
        ("/email", "taken"),
        ("/total_tickets", "out_of_range"),  # below what is sold
        ("/cursor", "invalid"),  # only what a page gave
        ("/password", "too_long"),  # 72 bytes, where a schema counts characters
    }
