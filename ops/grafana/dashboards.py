"""What the dashboards show. make.py writes them. Limits are those of the alerts in ops/prometheus.

Every process tells what it sees of the same database, so that figures of it are taken once, by max.
"""

GREEN, AMBER, RED = "green", "orange", "red"
# Where less is worse.
ROOM = ((AMBER, 0.2), (GREEN, 0.3))


def panel(title, about, unit, *queries, kind="timeseries", steps=(), stacked=False, width=12, height=8,
          least=0, most=None, texts=None, base=GREEN):
    """`queries` are pairs of an expression and a legend; `steps` pairs of a colour and where it begins."""
    return {"title": title, "about": about, "unit": unit, "queries": queries, "kind": kind, "steps": steps,
            "stacked": stacked, "width": width, "height": height, "least": least, "most": most,
            "texts": texts, "base": base}


def figure(title, about, unit, expression, *, steps=(), width=4, texts=None, legend="", base=GREEN):
    """One large number."""
    return panel(title, about, unit, (expression, legend), kind="stat", steps=steps, width=width, height=5,
                 least=None, texts=texts, base=base)


def bars(title, about, unit, expression, legend, **more):
    return panel(title, about, unit, (expression, legend), kind="bargauge", **more)


def quantiles(name, by="", where=""):
    """Half, nineteen in twenty, and all but one in a hundred took no longer."""
    group = f"le, {by}" if by else "le"
    rate = f"sum by ({group}) (rate({name}_bucket{where}[$__rate_interval]))"
    return [(f"histogram_quantile({q}, {rate})", label)
            for q, label in [("0.5", "half"), ("0.95", "95 %"), ("0.99", "99 %")]]


HTTP = "stagedoor_http_request_duration_seconds"
# What asks whether we live or can sell is no buyer.
PEOPLE = 'route!~"/healthz|/readyz"'
FAILED = 'outcome=~"failed|overloaded"'
ASKED = 'outcome!~"confirmed|cancelled|expired"'

REQUESTS = ("requests", "Requests", "Requests to the shop and the API: how many, how many fail, how long they take.", [
    ("All", [
        figure("Requests", "How many requests are answered in a second.", "reqps",
               f"sum(rate({HTTP}_count{{{PEOPLE}}}[$__rate_interval]))", width=6),
        figure("Errors of ours", "Share of requests that are answered with 500 or more.", "percentunit",
               f'sum(rate({HTTP}_count{{status=~"5..",{PEOPLE}}}[$__rate_interval]))'
               f" / (sum(rate({HTTP}_count{{{PEOPLE}}}[$__rate_interval])) > 0) or vector(0)",
               steps=((AMBER, 0.001), (RED, 0.02)), width=6),
        figure("Time", "Nineteen in twenty requests are answered faster.", "s",
               f"histogram_quantile(0.95, sum by (le) (rate({HTTP}_bucket{{{PEOPLE}}}[$__rate_interval])))",
               steps=((AMBER, 0.25), (RED, 1)), width=6),
        figure("Processes that answer", "Servers and workers that Prometheus reaches.", "none",
               'sum(up{job="stagedoor"})', width=6),
    ]),
    ("By route", [
        panel("Requests a second", "The ten routes that are asked most.", "reqps",
              (f"topk(10, sum by (method, route) (rate({HTTP}_count[$__rate_interval])) > 0)",
               "{{method}} {{route}}"), height=10),
        panel("Errors a second", "Answers with 500 or more: our fault, or an outage that we tell of.", "reqps",
              (f'sum by (method, route, status) (rate({HTTP}_count{{status=~"5.."}}[$__rate_interval])) > 0',
               "{{status}} {{method}} {{route}}"), height=10),
        panel("Time by route", "Nineteen in twenty requests are answered faster; the ten slowest routes.", "s",
              (f"topk(10, histogram_quantile(0.95, sum by (le, method, route) "
               f"(rate({HTTP}_bucket[$__rate_interval]))))", "{{method}} {{route}}"),
              steps=((RED, 1),), height=10),
        panel("Refusals a second", "Answers of 400 to 499: sold out, a mistake, too many requests.", "reqps",
              (f'sum by (status) (rate({HTTP}_count{{status=~"4.."}}[$__rate_interval])) > 0', "{{status}}"),
              height=10, stacked=True),
    ]),
    ("Staff", [
        panel("Sign-ins", "Attempts of staff in a quarter of an hour, by how they ended.", "none",
              ("sum by (outcome) (increase(stagedoor_staff_sign_ins_total[15m]))", "{{outcome}}"),
              steps=((RED, 30),), width=24),
    ]),
])

ENGINE = ("engine", "Engine", "How requests to reserve are decided: in batches, each in one transaction.", [
    ("Outcomes", [
        figure("Failed by our fault", "Share of requests to reserve that failed or were refused at the door. "
               "Over 2 % wakes somebody.", "percentunit",
               f"sum(rate(stagedoor_reservations_total{{{FAILED}}}[$__rate_interval]))"
               f" / (sum(rate(stagedoor_reservations_total{{{ASKED}}}[$__rate_interval])) > 0) or vector(0)",
               steps=((AMBER, 0.001), (RED, 0.02)), width=6),
        figure("Requests that wait", "Requests to reserve without an answer yet, of the fullest server.", "none",
               "max(stagedoor_admission_queue_depth)", steps=((AMBER, 2500), (RED, 5000)), width=6),
        figure("Broken invariants", "Concerts whose tickets don't add up. Must be 0.", "none",
               "max(stagedoor_invariant_failures)", steps=((RED, 1),), width=6),
        figure("Since somebody could buy", "How long ago a buyer or the write probe last reserved a ticket. Over 30 s somebody is woken.", "s",
               "min(timestamp(stagedoor_write_probe_success_timestamp_seconds)"
               " - stagedoor_write_probe_success_timestamp_seconds)",
               steps=((AMBER, 20), (RED, 30)), width=6),
        panel("Requests to reserve a second", "By how they ended. Sold out is a good answer.", "reqps",
              (f"sum by (outcome) (rate(stagedoor_reservations_total{{{ASKED}}}[$__rate_interval]))",
               "{{outcome}}"), stacked=True, width=24, height=9),
    ]),
    ("Batches", [
        panel("Requests in a batch", "How many requests one transaction decided. It grows with the load.", "none",
              *quantiles("stagedoor_admission_batch_size")),
        panel("Requests that wait", "Without an answer yet, by server.", "none",
              ("sum by (instance) (stagedoor_admission_queue_depth)", "{{instance}}"), steps=((RED, 5000),)),
        panel("Wait", "Until a request's transaction began.", "s", *quantiles("stagedoor_admission_wait_seconds")),
        panel("Commit", "Writing and committing a batch. With standbys it waits for one.", "s",
              *quantiles("stagedoor_admission_commit_seconds")),
        panel("Batches a second", "Transactions that decided requests.", "ops",
              ("sum by (instance) (rate(stagedoor_admission_batch_size_count[$__rate_interval]))",
               "{{instance}}")),
        panel("Write probe", "Reserving a ticket of the hidden concert, cancelling it and taking the traces away, every ten "
              "seconds on one server while no buyer does.", "s", *quantiles("stagedoor_write_probe_seconds")),
    ]),
])

POOLS = ("pools", "Connection pools", "Each server's connections to the primary (writer) and to replicas (reader).", [
    ("Pools", [
        panel("Connections", "Active ones are at work, idle ones wait for work.", "none",
              ("sum by (instance, pool, state) (stagedoor_pool_connections)", "{{instance}} {{pool}} {{state}}"),
              stacked=True),
        panel("Requests that wait for a connection", "Over 0 for a minute wakes somebody.", "none",
              ("max by (instance, pool) (stagedoor_pool_waiting)", "{{instance}} {{pool}}"), steps=((RED, 1),)),
        panel("Time until a connection was had", "Half, and all but one in a hundred, had theirs sooner.", "s",
              ("histogram_quantile(0.5, sum by (le, pool) (rate(stagedoor_pool_wait_seconds_bucket"
               "[$__rate_interval])))", "{{pool}} half"),
              ("histogram_quantile(0.99, sum by (le, pool) (rate(stagedoor_pool_wait_seconds_bucket"
               "[$__rate_interval])))", "{{pool}} 99 %"), steps=((RED, 2),)),
        panel("Errors", "Connections in five minutes that failed, broke or weren't had in time.", "none",
              ("sum by (instance, pool, kind) (increase(stagedoor_pool_errors_total[5m]))",
               "{{instance}} {{pool}} {{kind}}"), steps=((RED, 20),)),
        panel("Reached without a break", "For how long a pool's database could be reached.", "s",
              ("stagedoor_connection_uptime_seconds", "{{instance}} {{pool}}"), width=24),
    ]),
])

POSTGRESQL = ("postgresql", "PostgreSQL", "Statements, locks, transactions, connections and room of the primary.", [
    ("Now", [
        figure("Connections", "Share of all that the database allows.", "percentunit",
               "max(sum by (instance) (stagedoor_database_connections))"
               " / (max(stagedoor_database_connections_max) > 0)", steps=((AMBER, 0.6), (RED, 0.8))),
        figure("Wait for a lock", "Sessions that wait for one.", "none", "max(stagedoor_lock_waiting)",
               steps=((AMBER, 1), (RED, 10))),
        figure("Oldest transaction", "How long it has been open.", "s",
               "max(stagedoor_transaction_oldest_seconds)", steps=((AMBER, 60), (RED, 300))),
        figure("Oldest snapshot", "How long old rows have been kept for somebody who still reads.", "s",
               "max(stagedoor_snapshot_oldest_seconds)", steps=((AMBER, 5), (RED, 10))),
        figure("Disk free", "Only where the database is on a server's machine.", "percentunit",
               "min(stagedoor_disk_free_bytes / (stagedoor_disk_size_bytes > 0))", steps=ROOM, base=RED),
        figure("Started", "How long ago.", "s", "time() - max(stagedoor_database_start_timestamp_seconds)"),
    ]),
    ("Statements", [
        panel("Time by statement", "Nineteen in twenty were faster; the ten slowest.", "s",
              ("topk(10, histogram_quantile(0.95, sum by (le, statement) (rate(stagedoor_query_duration_seconds"
               "_bucket[$__rate_interval]))))", "{{statement}}"), steps=((RED, 0.1),), height=10),
        panel("Share of the time", "Where PostgreSQL's time goes: seconds of work in a second; the ten largest.", "s",
              ("topk(10, sum by (statement) (rate(stagedoor_query_duration_seconds_sum[$__rate_interval])))",
               "{{statement}}"), stacked=True, height=10),
        panel("Slow statements", "In five minutes over 100 ms; the ten most frequent.", "none",
              ("topk(10, sum by (statement) (increase(stagedoor_slow_queries_total[5m])) > 0)", "{{statement}}"),
              steps=((RED, 100),)),
        panel("Whole tables read", "In five minutes. Fine for small tables, a missing index for big ones.", "none",
              ("topk(10, max by (table) (increase(stagedoor_table_scans_total[5m])) > 0)", "{{table}}")),
    ]),
    ("Locks and transactions", [
        panel("Waits for locks", "How many sessions wait, and the longest wait.", "none",
              ("max(stagedoor_lock_waiting)", "sessions"), ("max(stagedoor_lock_wait_seconds)", "longest, in seconds")),
        panel("Deadlocks", "In a quarter of an hour. There should be none.", "none",
              ("max(increase(stagedoor_deadlocks_total[15m]))", "deadlocks"), steps=((RED, 1),)),
        panel("Oldest transaction and snapshot", "A snapshot over 10 s keeps old rows and slows hot tables.", "s",
              ("max(stagedoor_transaction_oldest_seconds)", "transaction"),
              ("max(stagedoor_snapshot_oldest_seconds)", "snapshot"), steps=((AMBER, 10), (RED, 300))),
        panel("Connections", "Of all programs, by state. One idle in a transaction holds locks for nothing.", "none",
              ("max by (state) (stagedoor_database_connections)", "{{state}}"),
              ("max(stagedoor_database_connections_max)", "allowed")),
    ]),
    ("Room", [
        panel("Disk", "Free room where the database is on a server's machine. Under a fifth wakes somebody.",
              "percentunit",
              ("min by (mount) (stagedoor_disk_free_bytes / (stagedoor_disk_size_bytes > 0))", "{{mount}}"),
              steps=ROOM, base=RED, most=1),
        panel("Database", "Its size with all indexes.", "bytes", ("max(stagedoor_database_bytes)", "database")),
        bars("Tables", "The fifteen largest, with their indexes.", "bytes",
             "topk(15, max by (table) (stagedoor_table_bytes))", "{{table}}", height=12, width=8),
        bars("Indexes", "The fifteen largest.", "bytes",
             "topk(15, max by (index) (stagedoor_index_bytes))", "{{index}}", height=12, width=8),
        bars("Growth a day", "The fifteen tables that grow fastest, over the last week.", "bytes",
             "topk(15, max by (table) (stagedoor_table_growth_bytes_per_day))", "{{table}}", height=12, width=8,
             least=None),
        bars("Rows", "The fifteen tables with the most, as PostgreSQL estimates.", "short",
             "topk(15, max by (table) (stagedoor_table_rows))", "{{table}}", height=12, width=8),
        figure("Statistics gathered", "How long ago, of all tables. Once a month is the plan.", "s",
               "time() - (max(stagedoor_analyze_last_timestamp_seconds) > 0)",
               steps=((AMBER, 35 * 86400), (RED, 70 * 86400)), width=8),
        panel("Looks at these figures", "How long one look takes, of which there are four a minute.", "s",
              *quantiles("stagedoor_health_collect_seconds"), width=8),
    ]),
])

REPLICATION = ("replication", "Replication", "Standbys that confirm sales, and replicas that serve lists.", [
    ("Standbys", [
        figure("Confirmed", "Whether a standby confirms commits, where one must. Without it nothing is sold.", "none",
               "max(stagedoor_standby_missing)", steps=((RED, 1),), width=8, texts={0: "yes", 1: "no standby"}),
        figure("Standbys", "That stream from the primary.", "none", "max(stagedoor_standbys)", width=8),
        figure("Log to be archived", "On the primary's disk.", "bytes", "max(stagedoor_wal_archive_waiting_bytes)",
               steps=((AMBER, 1 << 30), (RED, 5 << 30)), width=8),
        panel("Standbys", "As each server sees them. One less means that the next failure stops sales.", "none",
              ("stagedoor_standbys", "{{instance}}"), ("max(stagedoor_standby_missing)", "missing")),
        panel("Commit", "With standbys it waits for one: a slow one shows here.", "s",
              *quantiles("stagedoor_admission_commit_seconds")),
    ]),
    ("Replicas", [
        panel("Behind, in time", "Over 10 s a replica serves nobody.", "s",
              ("max by (replica) (stagedoor_replica_lag_seconds)", "{{replica}}"), steps=((RED, 10),)),
        panel("Behind, in bytes", "Over 1 MB it isn't promoted.", "bytes",
              ("max by (replica) (stagedoor_replica_lag_bytes)", "{{replica}}"), steps=((RED, 1 << 20),)),
        panel("Reached", "1 while a replica answers every server.", "none",
              ("min by (replica) (stagedoor_replica_up)", "{{replica}}"), most=1, width=24),
    ]),
])

BACKUP_TYPES = 'type=~"full|diff|incr"'
LAST = "stagedoor_backup_last_success_timestamp_seconds"
BAD = "stagedoor_backup_last_failure_timestamp_seconds"


def since(kind, hours_amber, hours_red, title, about):
    return bars(title, about, "s", f"time() - (max by (repo) ({LAST}{{{kind}}}) > 0)", "repository {{repo}}",
                steps=((AMBER, hours_amber * 3600), (RED, hours_red * 3600)), width=8)


BACKUPS = ("backups", "Backups", "Whether what was sold survives the loss of all machines.", [
    ("Age", [
        since(BACKUP_TYPES, 25, 26, "Newest backup", "How old it is. One that was never made is missing."),
        since('type="check"', 50, 74, "Last whole check", "How long ago all files were read and were good."),
        since('type="drill"', 50, 74, "Last drill", "How long ago a backup was restored on trial."),
    ]),
    ("Failures", [
        bars("Failed and not made good", "How long ago. Nothing is shown when all is well.", "s",
             f"time() - (max by (repo, type) ({BAD}) > 0)", "{{type}}, repository {{repo}}", steps=((RED, 0),)),
        panel("Time of the last drill", "How long a restore takes: what an emergency would take at least.", "s",
              ("max(stagedoor_restore_drill_seconds)", "drill")),
    ]),
    ("Log", [
        panel("Oldest log that isn't archived", "Over five minutes wakes somebody: it would be lost with the machines.",
              "s", ("max(stagedoor_wal_archive_age_seconds)", "age"), steps=((AMBER, 180), (RED, 300))),
        panel("Log that waits", "On the primary's disk.", "bytes",
              ("max(stagedoor_wal_archive_waiting_bytes)", "waiting"), steps=((RED, 5 << 30),)),
    ]),
])

BUSINESS = ("business", "Business", "What is sold, what is left, and what is still to be done for buyers.", [
    ("Sales", [
        figure("Paid in the time shown", "Reservations that were paid.", "none",
               'sum(increase(stagedoor_reservations_total{outcome="confirmed"}[$__range]))', width=6),
        figure("Reserved in the time shown", "Reservations that were made.", "none",
               'sum(increase(stagedoor_reservations_total{outcome="admitted"}[$__range]))', width=6),
        figure("Tickets left", "Of all concerts on sale.", "none",
               "sum(max by (concert_id) (stagedoor_tickets_available >= 0))", width=6),
        figure("Tickets held", "By unpaid reservations.", "none",
               "sum(max by (concert_id) (stagedoor_tickets_held >= 0))", width=6),
        panel("Reservations a second", "What became of them: made, paid, cancelled, run out, or refused.", "reqps",
              ("sum by (outcome) (rate(stagedoor_reservations_total[$__rate_interval])) > 0", "{{outcome}}"),
              width=24, height=9),
    ]),
    ("Concerts on sale", [
        panel("Tickets left", "By concert. The number is in its address.", "none",
              ("max by (concert_id) (stagedoor_tickets_available >= 0)", "concert {{concert_id}}"), height=10),
        panel("Tickets held", "By unpaid reservations; they go back on sale when those run out.", "none",
              ("max by (concert_id) (stagedoor_tickets_held >= 0)", "concert {{concert_id}}"), height=10),
    ]),
    ("Payments, mails, jobs", [
        panel("Payments a second", "Answers on what belongs to paying, by route and status.", "reqps",
              (f'sum by (route, status) (rate({HTTP}_count{{route=~".*(payments|/pay|webhooks).*"}}'
               "[$__rate_interval])) > 0", "{{status}} {{route}}")),
        panel("Waiting payments and refunds", "How long the oldest due one has waited. Five minutes are too long.", "s",
              ('max by (task) (stagedoor_jobs_oldest_seconds{task=~"payment.*"})', "{{task}}"), steps=((RED, 300),)),
        panel("Waiting mails", "How long the oldest due one has waited.", "s",
              ('max by (task) (stagedoor_jobs_oldest_seconds{task=~"mail.*"})', "{{task}}"), steps=((RED, 300),)),
        panel("Other waiting jobs", "How long the oldest due one has waited.", "s",
              ('max by (task) (stagedoor_jobs_oldest_seconds{task!~"(mail|payment).*"})', "{{task}}"),
              steps=((RED, 300),)),
        figure("Jobs that were given up", "Somebody didn't get a mail, or a refund.", "none",
               "max(stagedoor_jobs_dead)", steps=((RED, 1),), width=8),
        figure("Audit rows without a seal", "How long the oldest has waited.", "s",
               "max(stagedoor_audit_unsealed)", steps=((AMBER, 30), (RED, 60)), width=8),
        figure("Seals that are gone", "In the last day. After a restore it must be so.", "none",
               "sum(increase(stagedoor_audit_seals_lost_total[1d]))", steps=((RED, 1),), width=8),
    ]),
])

DASHBOARDS = [REQUESTS, ENGINE, POOLS, POSTGRESQL, REPLICATION, BACKUPS, BUSINESS]
