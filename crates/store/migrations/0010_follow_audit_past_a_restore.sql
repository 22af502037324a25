-- What following the audit log got wrong: where a dump was restored into another cluster, whose
-- transactions are counted anew; records that went without a trace; and numbers for values that could
-- be compared with numbers of another day. Also the audit row that `admin unlock` lacked.
-- A server of the version before sells and seals on; its `audit verify` and `doctor` can't follow the
-- changes any more and say so.

-- Which clusters sealed, and where the seals of one end, is looked up whenever rows are sealed.
CREATE INDEX audit_seals_cluster_id_idx ON audit_seals (cluster_id, id);
COMMENT ON COLUMN audit_seals.until_tx IS
    'the last row that it covers, in the order of (tx, id); 2^62 more while a beginning is sealed in the order of ids';

-- The highest row that the last seal of any other cluster covers: what this one wrote itself is above
-- it. Without any, below all rows. A dump may come back to a cluster that sealed before, so that only
-- the last seals count. Clusters are a handful, each found by one look into the index.
CREATE FUNCTION find_audit_floor(cluster bigint) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE clusters AS (
        SELECT min(s.cluster_id) AS id FROM public.audit_seals s
        UNION ALL
        SELECT (SELECT min(s.cluster_id) FROM public.audit_seals s WHERE s.cluster_id > c.id)
        FROM clusters c WHERE c.id IS NOT NULL
    ), ends AS (
        SELECT (SELECT max(s.id) FROM public.audit_seals s WHERE s.cluster_id = c.id) AS id
        FROM clusters c WHERE c.id <> cluster
    )
    SELECT coalesce(max(sealed.row_id), -2147483648)
    FROM public.audit_seals s, unnest(s.row_ids) AS sealed (row_id)
    WHERE s.id = (SELECT max(e.id) FROM ends e)
$$;

-- The next rows to be sealed: behind the last seal, of transactions that are all over, in the order of
-- (tx, id). Of a restored copy only its own rows, because other clusters' transactions have numbers
-- that mean nothing here.
-- What no seal of this cluster precedes may have come with a copy, also where nothing was sealed yet.
-- It is sealed in the order of ids, a page at a time, and until_tx says so by 2^62 more than the
-- transaction behind which the usual order goes on after the last of these pages. That is the one
-- before all that were under way at the first: whatever has a higher number is left to the usual
-- order, but for numbers that this cluster hasn't given yet, which are surely another's. Should it
-- ever get there, it covers those rows once more, without harm.
CREATE OR REPLACE FUNCTION list_unsealed_audit_logs(rows_max integer)
RETURNS TABLE (id integer, tx xid8, digest bytea, written_at timestamp)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
    cluster bigint := (SELECT system_identifier FROM pg_control_system());
    over xid8 := pg_snapshot_xmin(pg_current_snapshot());
    begun xid8 := pg_snapshot_xmax(pg_current_snapshot());
    by_id bigint := 1::bigint << 62;
    last_tx xid8;
    last_id integer;
    -- Below it are rows of other clusters alone.
    above integer := public.find_audit_floor(cluster);
    goes_on xid8 := (over::text::bigint - 1)::text::xid8;
BEGIN
    SELECT s.cluster_id, s.until_tx, s.until_id INTO last
    FROM public.audit_seals s ORDER BY s.id DESC LIMIT 1;
    last_tx := (last.until_tx::text::bigint & (by_id - 1))::text::xid8;
    last_id := coalesce(last.until_id, -2147483648);
    IF last.cluster_id IS DISTINCT FROM cluster OR last.until_tx <> last_tx THEN
        IF last.cluster_id = cluster THEN
            goes_on := last_tx;
        END IF;
        RETURN QUERY
        WITH waiting AS (
            -- What the cluster before hadn't sealed because its transaction was under way.
            (SELECT w.id FROM public.audit_logs w
             WHERE last.cluster_id <> cluster AND (w.tx, w.id) > (last_tx, last_id)
               AND w.id > public.find_audit_floor(last.cluster_id) AND w.id <= last_id
             ORDER BY w.id LIMIT rows_max + 1)
            UNION ALL
            (SELECT w.id FROM public.audit_logs w
             WHERE w.id > last_id AND (w.id <= above OR w.tx <= goes_on OR w.tx >= begun)
             ORDER BY w.id LIMIT rows_max + 1)
        ), page AS (
            SELECT w.id FROM waiting w ORDER BY w.id LIMIT rows_max
        ), mark AS (
            SELECT CASE WHEN count(*) <= rows_max THEN goes_on
                        ELSE (goes_on::text::bigint + by_id)::text::xid8 END AS tx
            FROM waiting
        )
        SELECT l.id, (SELECT m.tx FROM mark m), public.audit_digest(l), l.created_at
        FROM page JOIN public.audit_logs l ON l.id = page.id ORDER BY l.id;
        IF FOUND THEN
            RETURN;
        END IF;
        last_tx := goes_on;
        last_id := 2147483647;
    END IF;
    RETURN QUERY
    SELECT l.id, l.tx, public.audit_digest(l), l.created_at FROM public.audit_logs l
    WHERE (l.tx, l.id) > (last_tx, last_id) AND l.tx < over AND l.id > above
    ORDER BY l.tx, l.id LIMIT rows_max;
END
$$;

-- When the oldest row that no seal covers was written, also while it can't be sealed because a
-- transaction from before it is under way; NULL if all are sealed.
CREATE OR REPLACE FUNCTION find_unsealed_audit_log() RETURNS timestamp
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
    above integer;
    begun xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    SELECT s.cluster_id, s.until_tx, s.until_id INTO last
    FROM public.audit_seals s ORDER BY s.id DESC LIMIT 1;
    IF last.cluster_id = (SELECT system_identifier FROM pg_control_system())
       AND last.until_tx < '4611686018427387904'::xid8 THEN
        -- Sealed rows of a cluster that this is a copy of may have numbers beyond ours.
        above := public.find_audit_floor(last.cluster_id);
        RETURN (SELECT l.created_at FROM public.audit_logs l
                WHERE (l.tx, l.id) > (last.until_tx, last.until_id) AND l.tx < begun
                  AND l.id > above
                ORDER BY l.tx, l.id LIMIT 1);
    END IF;
    -- Nothing sealed, or a restored copy that isn't sealed to its end: near enough.
    RETURN (SELECT l.created_at FROM public.audit_logs l
            WHERE l.id > coalesce(last.until_id, -2147483648) ORDER BY l.id LIMIT 1);
END
$$;

-- The changes of each record in their order, behind (after_record, after_id): which columns, and for
-- each value a number that is the same for the same value and seed. Who asks draws the seed anew each
-- time, so that numbers of two times tell nothing together. A record is lost where its table doesn't
-- have it although the table wasn't emptied at once since; each is looked up by itself, never among
-- all, for which a subquery's value stands there and no EXISTS. With a record's last change comes how
-- it stands in its table, read at the same moment; a password's hash is secret and not in the log.
-- One record's changes wait for each other, so that their ids are in their order; where two tables
-- share a record's number, a page may miss one that comes later, and list_record_changes won't.
-- Whatever is known of the table, it is read by the index, which costs a page the same however long
-- the log is.
DROP FUNCTION list_audit_changes(text, integer, integer);
CREATE FUNCTION list_audit_changes(after_record text, after_id integer, seed bigint, rows_max integer)
RETURNS TABLE (
    id integer, table_name text, record_id text, is_new boolean, old_columns text[],
    old_hashes bigint[], new_columns text[], new_hashes bigint[], is_lost boolean,
    standing_columns text[], standing_hashes bigint[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT l.id, l.table_name, l.record_id, l.action = 'CREATE',
           ARRAY(SELECT o.key FROM jsonb_each(l.old_values) AS o),
           ARRAY(SELECT hashtextextended(o.value::text, seed) FROM jsonb_each(l.old_values) AS o),
           ARRAY(SELECT n.key FROM jsonb_each(l.new_values) AS n),
           ARRAY(SELECT hashtextextended(n.value::text, seed) FROM jsonb_each(l.new_values) AS n),
           CASE WHEN l.table_name = 'reservations'
                    THEN (SELECT false FROM public.reservations r WHERE r.id = l.record_id)
                WHEN l.table_name = 'concerts' AND l.record_id ~ '^-?[0-9]{1,18}$'
                    THEN (SELECT false FROM public.concerts c WHERE c.id = l.record_id::bigint)
                WHEN l.table_name <> 'concerts' THEN false
           END IS NULL
           AND (SELECT true FROM public.audit_logs t
                WHERE t.record_id IS NULL AND t.id > l.id AND t.table_name = l.table_name
                  AND t.action = 'DELETE' LIMIT 1) IS NULL,
           ARRAY(SELECT s.key FROM jsonb_each(stands.row) AS s),
           ARRAY(SELECT hashtextextended(s.value::text, seed) FROM jsonb_each(stands.row) AS s)
    FROM public.audit_logs l
    CROSS JOIN LATERAL (
        SELECT CASE WHEN l.table_name NOT IN ('concerts', 'reservations', 'admin_users')
                        OR (SELECT true FROM public.audit_logs n
                            WHERE n.record_id = l.record_id AND n.id > l.id
                              AND n.table_name = l.table_name LIMIT 1)
                        -- Emptied at once since, and perhaps filled anew with the same numbers.
                        OR (SELECT true FROM public.audit_logs t
                            WHERE t.record_id IS NULL AND t.id > l.id
                              AND t.table_name = l.table_name AND t.action = 'DELETE' LIMIT 1)
                        THEN NULL
                    WHEN l.table_name = 'reservations'
                        THEN (SELECT to_jsonb(r) FROM public.reservations r WHERE r.id = l.record_id)
                    WHEN l.record_id !~ '^-?[0-9]{1,18}$' THEN NULL
                    WHEN l.table_name = 'concerts'
                        THEN (SELECT to_jsonb(c) FROM public.concerts c
                              WHERE c.id = l.record_id::bigint)
                    WHEN l.table_name = 'admin_users'
                        THEN (SELECT to_jsonb(u) - 'password' FROM public.admin_users u
                              WHERE u.id = l.record_id::bigint)
               END AS row
        -- Once for both columns.
        OFFSET 0
    ) AS stands
    WHERE (l.record_id, l.id) > (after_record, after_id)
      -- Several rows are one record of it, so that none follows from the one before.
      AND l.table_name <> 'admin_recovery_codes'
    ORDER BY l.record_id, l.id LIMIT rows_max
$$;

-- The same of one record of a table alone, of whose changes a page misses none.
CREATE FUNCTION list_record_changes(
    of_table text, of_record text, after_id integer, seed bigint, rows_max integer
) RETURNS TABLE (
    id integer, table_name text, record_id text, is_new boolean, old_columns text[],
    old_hashes bigint[], new_columns text[], new_hashes bigint[], is_lost boolean,
    standing_columns text[], standing_hashes bigint[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT changes.*
    FROM (SELECT l.record_id, l.id FROM public.audit_logs l
          WHERE l.record_id = of_record AND l.id > after_id AND l.table_name = of_table
          ORDER BY l.record_id, l.id LIMIT rows_max) AS page
    CROSS JOIN LATERAL public.list_audit_changes(page.record_id, page.id - 1, seed, 1) AS changes
$$;

-- Failed sign-ins that somebody at the command line had forgotten: whose, and of how many subjects.
-- The table itself has no trigger, or each wrong password would leave a row for good.
CREATE FUNCTION log_unlock(asked jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
BEGIN
    IF length(asked::text) <= 2000 THEN
        NULL;
    ELSE
        RAISE EXCEPTION 'no unlock: up to 2000 characters' USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, new_values, ip_address, actor_kind,
                                   actor, request_id)
    VALUES (who.user_id, 'UPDATE', 'sign_in_failures', asked, who.address, who.kind, who.actor,
            who.request_id);
END
$$;

-- Accounts that no row of the log tells the making of, although it began before: there are few, and
-- each may do a lot.
CREATE FUNCTION list_untold_accounts() RETURNS TABLE (id integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id FROM public.admin_users u
    WHERE u.created_at > (SELECT l.created_at FROM public.audit_logs l ORDER BY l.id LIMIT 1)
      AND (SELECT true FROM public.audit_logs l
           WHERE l.record_id = u.id::text AND l.table_name = 'admin_users'
             AND l.action = 'CREATE' LIMIT 1) IS NULL
    ORDER BY u.id
$$;

-- What the server's login may say by itself is bounded: a table that is exported, and so much of what
-- was asked for.
CREATE OR REPLACE FUNCTION log_export(of_table text, asked jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
BEGIN
    IF of_table IN ('concerts', 'reservations', 'audit_logs') AND length(asked::text) <= 2000 THEN
        NULL;
    ELSE
        RAISE EXCEPTION 'no export: a table that is exported, and up to 2000 characters'
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, new_values, ip_address, actor_kind,
                                   actor, request_id)
    VALUES (who.user_id, 'EXPORT', of_table, asked, who.address, who.kind, who.actor,
            who.request_id);
END
$$;

-- Staff are told by their account; the login that acts for all of them says nothing of who it was.
CREATE OR REPLACE FUNCTION audit_actor(
    OUT user_id integer, OUT kind text, OUT actor text, OUT address text, OUT request_id uuid
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    kind := coalesce(nullif(current_setting('stagedoor.actor_kind', true), ''), 'sql');
    user_id := nullif(current_setting('stagedoor.user_id', true), '')::integer;
    actor := CASE
        WHEN kind IN ('customer', 'staff') THEN NULL
        ELSE coalesce(nullif(current_setting('stagedoor.actor', true), ''), session_user::text)
    END;
    -- Whoever uses plain SQL comes from where their connection does.
    address := coalesce(nullif(current_setting('stagedoor.address', true), ''),
                        CASE WHEN kind = 'sql' THEN host(inet_client_addr()) END);
    request_id := nullif(current_setting('stagedoor.request_id', true), '')::uuid;
END
$$;

COMMENT ON COLUMN audit_logs.actor IS
    'which one: a reservation, a task, a part of the product, a system''s user at the command line, a login';
