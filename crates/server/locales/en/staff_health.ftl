## Health

health-title = Health
health-at = Seen at { $time }. This page shows what one server sees; it looks every quarter of a minute.
health-all-green = Everything is green. There is nothing to do.
health-some =
    { $count ->
        [one] One figure wants a look.
       *[other] { $shown } figures want a look.
    }
health-needs = What wants a look
health-green = good
health-amber = look soon
health-red = act now
health-what = Figure
health-value = Now
health-state = State
health-meaning = What it means
health-none = nobody knows
health-group-sale = Selling
health-group-connection_pool = Connections to the database
health-group-query_performance = Speed of the database
health-group-data_volume = Room
health-group-availability = Safety
health-charts = How it went
health-hour = Last hour
health-day = Last 24 hours
health-month = Last 30 days
health-stretch = Time that the charts show
health-chart-none = Nothing was seen in this time.
health-chart-told = Highest: { $highest }. Last: { $last }.
health-time = Time
health-peak = Highest
health-table = The same as a table
health-per-day = { $amount } a day
health-days = { $number } days
health-hours = { $number } h
health-minutes = { $number } min
health-seconds = { $number } s
health-milliseconds = { $number } ms

health-can_sell = Selling stopped for
    .means = How long buyers have been unable to reserve because the database takes no sales. Zero is good.
    .more =
        { $why ->
            [away] The database doesn't answer.
            [schema] The database's schema isn't the one that this program needs.
            [read_only] The database is a standby and takes no writes.
            [unproven] Nothing is known to be wrong, and yet neither a buyer nor the trial sale could reserve a ticket.
           *[no_standby] No standby confirms what is written, so that a sale could be lost.
        }
    .mend = Run `stagedoor doctor`: it names what is wrong and the command that mends it. Selling goes on by itself afterwards.
health-last_probe = Last successful trial sale
    .means = How long ago somebody could last reserve a ticket. Every ten seconds one server tries it itself, on a hidden concert, unless a buyer did. From half a minute on nobody is sent here to buy.
    .mend = The server's log says why the trial sale fails: `journalctl -u stagedoor --since -5min | grep 'write probe'`. Then run `stagedoor doctor`: it names the command that mends it.
health-reservations_failed = Reservations that failed
    .means = Share of the last five minutes' requests to reserve that failed through our fault. "Sold out" isn't a fault.
    .more = { $failed } requests.
    .mend = Look at the other red figures first, then at the server's log: `journalctl -u stagedoor -p warning --since -10min`.
health-queue_depth = Buyers who wait
    .means = Requests to reserve that wait for their answer in this server. In a rush some thousands are usual, and each waits well under a second.
    .mend = If it stays this high, see "Speed of the database" below; another server behind the proxy takes a share.
health-broken_invariants = Concerts that don't add up
    .means = Concerts whose tickets left aren't the total less what reservations hold. There must never be one. All are looked at, one after the other.
    .more = The first is number { $concert }.
    .mend = Close its sale, then run `stagedoor doctor`, which shows the numbers. Somebody has changed rows by hand: the audit log tells who.
health-jobs_oldest = Longest waiting job
    .means = How long the oldest piece of background work, such as a mail or a refund, has waited past its time.
    .more = Its task: { $task }.
    .mend = See whether a worker runs: `systemctl status stagedoor stagedoor-worker`. Mails that can't be sent wait like this, too: see "Mails".
health-jobs_dead = Jobs that were given up
    .means = Pieces of background work that failed so often that they were given up.
    .mend = See "Mails" and the refunds that need you; `stagedoor doctor` says where their errors are.
health-audit_unsealed = Audit rows without a seal
    .means = Age of the oldest row of the audit log that isn't sealed against changes yet. Some seconds are usual.
    .mend = Run `stagedoor audit verify`, and see whether a worker runs: `systemctl status stagedoor stagedoor-worker`.
health-pool_active = Connections in use, { $of }
    .means = Connections to the database that work right now.
    .more = There are { $max } at most.
    .mend = If it stays full, find what holds them: see slow statements and locks below.
health-pool_idle = Connections at rest, { $of }
    .means = Connections that are open and wait for work.
    .mend = Nothing is to be done.
health-pool_waiting = Waiting for a connection, { $of }
    .means = Requests that wait because every connection is in use. Some in a rush are usual for a moment; for a minute they are not.
    .mend = Find what holds the connections: see slow statements and locks below. More of them rarely help.
health-pool_wait = Time to get a connection, { $of }
    .means = How long a request waited for its connection, on average of the last five minutes.
    .mend = See slow statements and locks below.
health-pool_errors = Connections that failed, { $of }
    .means = Connections that could not be made, broke, or weren't free in time, in the last five minutes.
    .mend = See whether the database runs and is reached: `stagedoor doctor`.
health-query_time = Time of a statement
    .means = How long the database took for one statement, on average of the last five minutes.
    .mend = See which are slow in the next line, and whether the database's machine is busy: `top`.
health-slow_queries = Slow statements
    .means = Statements of the last five minutes that took over a tenth of a second.
    .more = The slowest, { $statement }, took { $took } ms.
    .mend = The server's log has each with its name: `journalctl -u stagedoor | grep 'slow query'`. A single one is no trouble; many mean a lock, a missing index or a busy disk.
health-table_scans = Big tables read whole
    .means = How often in the last five minutes a table of over 100,000 rows was read from front to back.
    .more = Most often: { $table }.
    .mend = If nobody ran a report or a dump by hand, an index is missing or not used: the database's log has the slow statements.
health-lock_waiting = Waiting for a lock
    .means = Sessions of the database that wait for another to finish. The longest has waited { $longest } s; short waits are usual.
    .more = They wait for process { $pid } ({ $application }, as { $username }).
    .mend = If that is somebody's open console, ask them to finish, or end it: `psql -c 'SELECT pg_terminate_backend(PID)'` with that process's number. Never end one of concert-ticket-system.
health-deadlocks = Deadlocks
    .means = How often in the last five minutes two sessions waited for each other, so that the database gave one up. Ours are tried again or answered with an error.
    .mend = Find both in the database's log: `grep -A6 deadlock` there. Work by hand in several tables at once is the usual cause.
health-oldest_transaction = Longest transaction
    .means = How long the longest open transaction has lasted. A long one keeps old rows from being cleared away.
    .mend = See whose it is: `psql -c "SELECT pid, usename, application_name, xact_start FROM pg_stat_activity ORDER BY xact_start LIMIT 3"`. A backup or a report may take its time.
health-database_bytes = Size of the database
    .means = Everything that is stored, indexes included.
    .mend = Nothing is to be done.
health-table_bytes = Table { $of }
    .means = Its size with its indexes; it has about { $rows } rows.
    .more = It grows by { $growth } a day.
    .mend = Nothing is to be done.
health-index_bytes = Size of all indexes
    .means = What makes searching fast takes this much room.
    .mend = Nothing is to be done.
health-growth = Growth
    .means = How much all tables grow in a day, measured over the last week.
    .mend = Give the database a bigger disk in time; the line below says when it is full.
health-disk_free = Room on the database's disk
    .means = The part of the disk that is free. A full disk stops every sale. Where the database is on another machine, watch the disk there.
    .more = { $free } are free on { $mount }.
    .mend = Make room or enlarge the disk. See what takes it: `du -xh --max-depth=2 { $mount } | sort -h | tail`. Never delete files of the database by hand.
health-disk_days = Days until the disk is full
    .means = At this growth, so many days are left.
    .mend = Enlarge the disk before that.
health-analyzed = Days since statistics were gathered
    .means = The database plans by statistics that are gathered anew every month, and after many changes.
    .mend = See whether a worker runs: `systemctl status stagedoor stagedoor-worker`. By hand: `psql -c ANALYZE` as the owner.
health-database = The database answers
    .means = 1 while the database answers this server.
    .mend = See whether it runs: `systemctl status postgresql`, or `patronictl list` where there are several nodes.
health-connection_uptime = Reached without a break, { $of }
    .means = For how long the database could be reached without a break.
    .mend = Nothing is to be done.
health-database_uptime = The database has run for
    .means = Time since the database was last started. A short one means that it was restarted.
    .mend = If nobody restarted it, see why it stopped: `journalctl -u postgresql --since -1h`.
health-connections = Sessions of the database
    .means = Sessions of all programs on this database.
    .more = The server allows { $max }.
    .mend = See whose they are: `psql -c "SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC"`.
health-standbys = Standbys that follow
    .means = Copies of the database that follow it at every step. Where sales must be safe on two machines, nothing is sold without one.
    .mend = See which is missing and start it: `patronictl list`.
health-replica_lag = Replica { $of } is behind by
    .means = How far this copy of the database is behind. Over ten seconds it isn't read from until it has caught up.
    .more = It has yet to replay { $bytes }. { $up ->
            [yes] It answers.
           *[no] It doesn't answer.
        }
    .mend = See whether it runs and follows: `patronictl list`, or `systemctl status postgresql` on its machine.
health-archiving = Age of what isn't archived
    .means = If the database's machine were lost now, so much of the last time would be missing from the backups. Without archiving, there is no value.
    .mend = Run `stagedoor backup check --log` on the database's machine; the database's log names the error.
health-backup = Age of the last backup, repository { $of }
    .means = How old the newest backup in this repository is. There should be one every day.
    .mend = Run `stagedoor backup run` on the database's machine, and see why its timer didn't: `systemctl list-timers 'stagedoor-*'`.
health-backup_failures = Backups and checks that failed
    .means = Backups, checks and drills that failed and were not made good since.
    .more = The last, { $kind } of { $at }: { $what }
    .mend = Mend what it says and repeat it on the database's machine; `stagedoor backup list` shows all.
health-recovery_time = Time to recover
    .means = How long the last drill took to restore everything into an empty place. It is the time that a total loss would cost.
    .mend = Run `sudo stagedoor-backup drill` on the database's machine, or let its timer do it every night.
health-chart-pool-active = Connections in use
health-chart-pool-waiting = Waiting for a connection
health-chart-slow-queries = Slow statements
health-chart-replica-lag = How far replicas were behind
health-chart-disk-used = How full the database's disk is
