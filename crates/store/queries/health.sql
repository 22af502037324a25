--: Server(oldest_transaction_s?, oldest_snapshot_s?)
--: Blocked(application?, username?, state?)
--: Directory(path?)

--! look_at_server : Server
-- Every quarter of a minute: sessions of this database, who waits for a lock, and what it counts. From
-- PostgreSQL's own statistics; touches no table of ours, so that no lock on one keeps it.
SELECT (pg_postmaster_start_time() AT TIME ZONE 'utc')::timestamp AS started_at,
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::double precision AS up_s,
       coalesce(sessions.active, 0)::bigint AS active,
       coalesce(sessions.idle, 0)::bigint AS idle,
       coalesce(sessions.idle_in_transaction, 0)::bigint AS idle_in_transaction,
       coalesce(sessions.everybody, 0)::bigint AS everybody,
       current_setting('max_connections')::int AS connections_max,
       sessions.oldest_transaction_s, sessions.oldest_snapshot_s,
       coalesce(locks.waiting, 0)::bigint AS lock_waiting,
       coalesce(locks.longest_s, 0)::double precision AS lock_wait_s,
       numbers.deadlocks, pg_database_size(current_database())::bigint AS bytes
FROM pg_stat_database AS numbers
CROSS JOIN (
    SELECT count(*) AS everybody,
           count(*) FILTER (WHERE state = 'active') AS active,
           count(*) FILTER (WHERE state = 'idle') AS idle,
           count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
           extract(epoch FROM max(clock_timestamp() - xact_start)
                   FILTER (WHERE pid <> pg_backend_pid()))::double precision AS oldest_transaction_s,
           extract(epoch FROM max(clock_timestamp() - xact_start)
                   FILTER (WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()))
               ::double precision AS oldest_snapshot_s
    FROM pg_stat_activity
    -- Of other logins' sessions a plain one sees no more than that they are there.
    WHERE datname = current_database() AND coalesce(backend_type, 'client backend') = 'client backend'
) AS sessions
CROSS JOIN (
    SELECT count(DISTINCT lock.pid) AS waiting,
           extract(epoch FROM max(clock_timestamp() - lock.waitstart))::double precision AS longest_s
    FROM pg_locks AS lock
    JOIN pg_stat_activity AS session ON session.pid = lock.pid
    WHERE NOT lock.granted AND session.datname = current_database()
      AND coalesce(session.backend_type, 'client backend') = 'client backend'
) AS locks
WHERE numbers.datname = current_database();

--! find_blocker : Blocked
-- Whom the longest waiting session waits for; its text isn't shown, for it may hold values. Asked only
-- while somebody waits for long, because it stops the lock manager for a moment.
SELECT blocker.pid, blocker.application_name AS application, blocker.usename::text AS username,
       blocker.state
FROM pg_locks AS lock
CROSS JOIN LATERAL unnest(pg_blocking_pids(lock.pid)) AS blocking(pid)
JOIN pg_stat_activity AS blocker ON blocker.pid = blocking.pid
JOIN pg_stat_activity AS waiting ON waiting.pid = lock.pid
WHERE NOT lock.granted AND lock.waitstart < clock_timestamp() - interval '1 second'
  AND waiting.datname = current_database()
-- Who isn't waiting itself is at the head.
ORDER BY EXISTS (SELECT FROM pg_locks AS own WHERE own.pid = blocker.pid AND NOT own.granted),
         lock.waitstart
LIMIT 1;

--! list_tables
-- Size, estimated rows and scans of each of our tables. Waits for who locks one whole: give it a limit.
SELECT relname::text AS name, pg_total_relation_size(relid)::bigint AS bytes,
       coalesce(n_live_tup, 0)::bigint AS live_rows, coalesce(seq_scan, 0)::bigint AS scans
FROM pg_stat_user_tables
WHERE schemaname = 'public'
ORDER BY relname;

--! list_indexes
-- Size of each index of ours; the same limit.
SELECT indexrelname::text AS name, pg_relation_size(indexrelid)::bigint AS bytes
FROM pg_stat_user_indexes
WHERE schemaname = 'public'
ORDER BY indexrelname;

--! find_data_directory : Directory
-- Where the files are, told to a login that may read settings (`pg_monitor`), and whether the server was
-- reached without a network.
SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
            THEN current_setting('data_directory') END AS path,
       coalesce(host(inet_server_addr()) IN ('127.0.0.1', '::1'), true) AS is_near;

--! list_on_sale
-- Tickets left of the next concerts on sale: more than that nobody watches. idx_concerts_status.
SELECT id, available_tickets
FROM concerts
WHERE status = 'open' AND deleted_at IS NULL AND id <> 0 AND date >= :today
ORDER BY date, id
LIMIT :limit;

--! list_held
-- Tickets that unpaid reservations hold, by concert. idx_reservations_status.
SELECT concert_id, sum(quantity)::bigint AS tickets
FROM reservations
WHERE status = 'pending' AND concert_id <> 0
GROUP BY concert_id;

--! list_taken
-- The next concerts to be checked, with what their stock says is taken: who asks stops where that is
-- enough for one statement. Primary key.
SELECT id, (total_tickets - available_tickets)::bigint AS taken
FROM concerts
WHERE id > :after AND id <> 0
ORDER BY id
LIMIT :limit;

--! list_broken
-- Concerts of a stretch whose stock isn't the total less what reservations hold.
-- idx_reservations_concert.
SELECT checked.id
FROM (
    SELECT concerts.id, concerts.total_tickets - concerts.available_tickets AS taken,
           coalesce((SELECT sum(quantity) FROM reservations
                     WHERE concert_id = concerts.id AND status IN ('pending', 'confirmed')), 0) AS held
    FROM concerts
    WHERE concerts.id > :after AND concerts.id <= :up_to AND concerts.id <> 0
) AS checked
WHERE checked.taken <> checked.held
ORDER BY checked.id
LIMIT :limit;

--! keep_sample
-- A peak of the minute or hour that begins at :at, or a higher one. Primary key.
INSERT INTO health_samples (series, step_minutes, at, value)
SELECT name, :step_minutes, :at, peak
FROM unnest(:series::text[], :values::double precision[]) AS sample(name, peak)
ON CONFLICT (series, step_minutes, at) DO UPDATE
SET value = excluded.value
WHERE health_samples.value < excluded.value;

--! list_samples
-- One stretch of every series, the oldest first. Primary key, once for each series.
SELECT series, at, value
FROM health_samples
WHERE series = ANY(:series::text[]) AND step_minutes = :step_minutes AND at >= :since
ORDER BY series, at;

--! forget_samples
-- Minutes and hours that no chart shows any more. Reads all, some ten thousand rows, once an hour.
DELETE FROM health_samples
WHERE (step_minutes = 1 AND at < :minutes_before) OR (step_minutes = 60 AND at < :hours_before);

--! keep_table_sizes
-- The first measure of a day stands. Primary key.
INSERT INTO table_sizes (day, table_name, bytes, measured_at)
SELECT :day, name, size, :measured_at
FROM unnest(:names::text[], :sizes::bigint[]) AS measured(name, size)
ON CONFLICT (day, table_name) DO NOTHING;

--! list_table_sizes
-- The oldest measure of each table since a day. Primary key.
SELECT DISTINCT ON (table_name) table_name, bytes, measured_at
FROM table_sizes
WHERE day >= :since
ORDER BY table_name, day;

--! forget_table_sizes
-- Primary key.
DELETE FROM table_sizes WHERE day < :before;

--! analyze_table
-- Gathers a table's statistics; false where there is no such table of ours.
SELECT analyze_table(:name) AS is_done;
