--! primary_clock
-- The one clock that decides expiry.
SELECT (clock_timestamp() AT TIME ZONE 'utc')::timestamp AS now;

--! list_broken_inventory
-- Concerts whose tickets left aren't the total less what reservations hold. For `doctor`.
SELECT concerts.id, concerts.total_tickets, concerts.available_tickets,
       coalesce(held.tickets, 0)::bigint AS held
FROM concerts
LEFT JOIN (
    SELECT concert_id, sum(quantity) AS tickets
    FROM reservations
    WHERE status IN ('pending', 'confirmed')
    GROUP BY concert_id
) AS held ON held.concert_id = concerts.id
WHERE concerts.id <> 0
  AND concerts.available_tickets <> concerts.total_tickets - coalesce(held.tickets, 0)
ORDER BY concerts.id
LIMIT :limit;

--! find_login
-- Who this connection is, and whether that is more than a server may be.
SELECT current_user::text AS name,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,
       EXISTS (SELECT 1 FROM pg_class
               WHERE pg_has_role(current_user, relowner, 'USAGE')
                 AND relnamespace = 'public'::regnamespace) AS owns_tables,
       current_setting('server_version') AS server_version;

--! has_history
-- Whether this database was ever migrated.
SELECT to_regclass('public.refinery_schema_history') IS NOT NULL AS has_history;

--! schema_version
SELECT coalesce(max(version), 0)::int AS version FROM refinery_schema_history;

--! is_read_only
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS is_read_only;
