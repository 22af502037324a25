-- A hidden concert that servers reserve a ticket of and cancel it again every few seconds, by the way
-- that buyers go, to know whether tickets can be sold. Its number is below every other's, and it is
-- marked as deleted, so that a server of the version before, which knows nothing of it, leaves it out
-- of its lists but that of deleted ones. What the probe does to it leaves no audit rows and no
-- reservations: it would be 43,000 rows a day about nothing.

-- The order is that in which a batch of sales takes its tables, and the strongest lock comes first: else
-- each would wait for the other.
-- Whoever reads with plain SQL for reports sees no reservation that was none.
ALTER POLICY reservations_report ON reservations USING (concert_id <> 0);

-- What the probe leaves untold must never cover anything else: no reservation is moved to its concert
-- or away from it, to be deleted there without a trace.
CREATE FUNCTION refuse_probe_move() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'reservations of the write probe are nobody else''s'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER reservations_keep_probe BEFORE UPDATE OF concert_id ON reservations
    FOR EACH ROW WHEN (OLD.concert_id <> NEW.concert_id AND 0 IN (OLD.concert_id, NEW.concert_id))
    EXECUTE FUNCTION refuse_probe_move();

-- The server deletes no business data; of the probe's concert alone it may, by this. Also what a server
-- left that died in the middle. Gives the lock up before the probe does; how many rows went.
CREATE FUNCTION clear_write_probe() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = 800 AS $$
DECLARE
    gone bigint;
BEGIN
    -- As everywhere the concert first: a batch under way is waited for, and its rows are seen.
    PERFORM FROM public.concerts WHERE id = 0 FOR UPDATE;
    DELETE FROM public.reservations WHERE concert_id = 0;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE public.concerts SET available_tickets = total_tickets
    WHERE id = 0 AND available_tickets <> total_tickets;
    RETURN gone;
END
$$;

-- As in migration 9, but for the probe's.
CREATE OR REPLACE FUNCTION audit_insert_reservations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    is_engine boolean;
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    is_engine := who.kind = 'system';
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, new_values, ip_address,
                                   actor_kind, actor, request_id)
    SELECT who.user_id, 'CREATE', 'reservations', n.id,
           jsonb_build_object(
               'concert_id', n.concert_id, 'customer_name', n.customer_name,
               'customer_email', n.customer_email, 'quantity', n.quantity,
               'total_price', n.total_price, 'status', n.status,
               'payment_status', n.payment_status, 'google_auth', n.google_auth,
               'expires_at', n.expires_at),
           CASE WHEN is_engine THEN n.client_ip ELSE who.address END,
           CASE WHEN is_engine THEN 'holder' ELSE who.kind END,
           CASE WHEN is_engine THEN n.id ELSE who.actor END,
           CASE WHEN is_engine THEN n.request_id ELSE who.request_id END
    FROM new_rows n
    WHERE n.concert_id <> 0;
    RETURN NULL;
END
$$;

-- As in migration 5. Left untold: how many tickets of the probe's concert are left, and all of its
-- reservations; whoever changes anything else of that concert is told.
CREATE OR REPLACE FUNCTION audit_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off SET jit = off AS $$
DECLARE
    who record;
    secrets text[] := coalesce(TG_ARGV, '{}');
    hidden jsonb := '"(secret)"';
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, old_values, new_values,
                                   ip_address, actor_kind, actor, request_id)
    SELECT who.user_id,
           CASE WHEN o.deleted_at IS NULL AND n.deleted_at IS NOT NULL THEN 'DELETE'
                ELSE 'UPDATE' END,
           TG_TABLE_NAME, n.id::text, changed.before, changed.after, who.address, who.kind,
           who.actor, who.request_id
    FROM old_rows o
    JOIN new_rows n ON n.id = o.id
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(key, CASE WHEN key = ANY (secrets) THEN hidden ELSE b.value END)
                   AS before,
               jsonb_object_agg(key, CASE WHEN key = ANY (secrets) THEN hidden ELSE a.value END)
                   AS after
        FROM jsonb_each(to_jsonb(o)) AS b
        JOIN jsonb_each(to_jsonb(n)) AS a USING (key)
        WHERE a.value <> b.value AND key <> 'updated_at'
    ) AS changed
    WHERE changed.after IS NOT NULL
      AND CASE TG_TABLE_NAME
              WHEN 'concerts' THEN n.id::text <> '0' OR changed.after - 'available_tickets' <> '{}'
              WHEN 'reservations' THEN to_jsonb(o) ->> 'concert_id' <> '0'
                                       OR changed.after ? 'concert_id'
              ELSE true
          END;
    RETURN NULL;
END
$$;

-- As in migration 5, but for the probe's reservations.
CREATE OR REPLACE FUNCTION audit_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    secrets text[] := coalesce(TG_ARGV, '{}');
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, old_values, ip_address,
                                   actor_kind, actor, request_id)
    SELECT who.user_id, 'DELETE', TG_TABLE_NAME, o.id::text, to_jsonb(o) - secrets, who.address,
           who.kind, who.actor, who.request_id
    FROM old_rows o
    WHERE TG_TABLE_NAME <> 'reservations' OR to_jsonb(o) ->> 'concert_id' <> '0';
    RETURN NULL;
END
$$;

-- As in migration 7: the log knows nothing of the probe's concert, so that there is nothing to compare.
CREATE OR REPLACE FUNCTION list_concert_entries(after_id integer, rows_max integer)
RETURNS TABLE (id integer, by_log text, by_table text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT c.id, logged.tickets, c.available_tickets::text
    FROM (SELECT t.id, t.available_tickets FROM public.concerts t
          WHERE t.id > after_id AND t.id <> 0 ORDER BY t.id LIMIT rows_max) AS c
    LEFT JOIN LATERAL (
        SELECT l.new_values ->> 'available_tickets' AS tickets FROM public.audit_logs l
        WHERE l.record_id = c.id::text AND l.table_name = 'concerts'
          AND l.new_values ? 'available_tickets'
        ORDER BY l.id DESC LIMIT 1
    ) AS logged ON true
    ORDER BY c.id
$$;

CREATE OR REPLACE FUNCTION list_reservation_entries(after_id text, rows_max integer)
RETURNS TABLE (id text, by_log text, by_table text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT r.id, logged.status, r.status
    FROM (SELECT t.id, t.status FROM public.reservations t
          WHERE t.id > after_id AND t.concert_id <> 0 ORDER BY t.id LIMIT rows_max) AS r
    LEFT JOIN LATERAL (
        SELECT l.new_values ->> 'status' AS status FROM public.audit_logs l
        WHERE l.record_id = r.id AND l.table_name = 'reservations' AND l.new_values ? 'status'
        ORDER BY l.id DESC LIMIT 1
    ) AS logged ON true
    ORDER BY r.id
$$;

-- As in migration 21. By `<>`, for which no index on concert_id looks as if it helped.
CREATE OR REPLACE FUNCTION search_reservations(
    part text, of_prefix text, from_id text, until_id text, of_concert integer, of_email text,
    of_status text, from_at timestamp, to_at timestamp, before_at timestamp, before_id text,
    at timestamp, rows_max integer
) RETURNS TABLE (id text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    -- Of all; those of one concert or of one customer are few enough to be read at once.
    is_few constant boolean := of_concert IS NOT NULL OR of_email IS NOT NULL;
    newest constant integer := 20000;
    alike constant text := '(r.customer_name ILIKE $1 OR r.customer_email ILIKE $1'
        || CASE WHEN of_prefix IS NULL THEN ')'
                ELSE ' OR (r.id >= $3 AND r.id < $4 AND r.id ILIKE $2))' END;
    narrow constant text := 'r.deleted_at IS NULL AND r.concert_id <> 0'
        || CASE WHEN of_concert IS NULL THEN '' ELSE ' AND r.concert_id = $5' END
        || CASE WHEN of_email IS NULL THEN '' ELSE ' AND r.customer_email = $6' END
        || CASE
               WHEN of_status IS NULL THEN ''
               WHEN of_status = 'expired' THEN
                   ' AND (r.status = $7 OR (r.status = ''pending'' AND r.expires_at <= $12))'
               ELSE ' AND r.status = $7
                      AND (r.status = ''pending'' AND r.expires_at <= $12) IS NOT TRUE'
           END
        || CASE WHEN from_at IS NULL THEN '' ELSE ' AND r.created_at >= $8' END
        || CASE WHEN to_at IS NULL THEN '' ELSE ' AND r.created_at < $9' END
        || CASE WHEN before_at IS NULL THEN '' ELSE ' AND (r.created_at, r.id) < ($10, $11)' END;
    in_order constant text := ' ORDER BY r.created_at DESC, r.id DESC LIMIT ';
    found_ids text[];
    seen bigint;
BEGIN
    PERFORM FROM public.admin_users u
    WHERE u.id = nullif(current_setting('stagedoor.user_id', true), '')::integer
      AND u.is_active AND u.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only active staff search reservations'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE
        'SELECT (array_agg(r.id ORDER BY r.created_at DESC, r.id DESC) FILTER (WHERE ' || alike || '))
                [:$13], count(*)
         FROM (SELECT r.id, r.customer_name, r.customer_email, r.created_at
               FROM public.reservations r WHERE ' || narrow
        || CASE WHEN is_few THEN '' ELSE in_order || newest END || ') AS r'
    INTO found_ids, seen
    USING part, of_prefix, from_id, until_id, of_concert, of_email, of_status, from_at, to_at,
          before_at, before_id, at, rows_max;
    IF NOT is_few AND seen >= newest AND coalesce(cardinality(found_ids), 0) < rows_max THEN
        -- The order of making would be read to its end for what is rare.
        PERFORM set_config('enable_seqscan', 'off', true),
                set_config('enable_indexscan', 'off', true);
        EXECUTE
            'SELECT ARRAY(SELECT r.id FROM public.reservations r
                          WHERE ' || alike || ' AND ' || narrow || in_order || '$13)'
        INTO found_ids
        USING part, of_prefix, from_id, until_id, of_concert, of_email, of_status, from_at, to_at,
              before_at, before_id, at, rows_max;
    END IF;
    RETURN QUERY SELECT unnest(found_ids);
END
$$;

-- As in migration 24.
CREATE OR REPLACE FUNCTION list_sales(
    edges timestamp[], from_day date, until_day date, of_zone text, of_concerts integer[],
    at_instant timestamp
) RETURNS TABLE (
    day date, concert_id integer, standing smallint, is_free boolean, reservations bigint,
    tickets bigint, minor bigint, first_at timestamp, last_at timestamp
)
LANGUAGE sql STABLE AS $$
    WITH kept AS MATERIALIZED (
        SELECT min(d.from_at) AS from_at, max(d.to_at) AS to_at
        FROM public.sales_days d
        WHERE d.zone = of_zone
    ), stale AS MATERIALIZED (
        SELECT DISTINCT d.day, d.from_at, d.to_at
        FROM public.sales_changes c
        JOIN public.sales_days d ON d.from_at <= c.created_at AND c.created_at < d.to_at
    ), unsummed AS MATERIALIZED (
        SELECT edges[1] AS from_at,
               least(edges[cardinality(edges)], coalesce(k.from_at, 'infinity')) AS to_at
        FROM kept k
        UNION ALL
        SELECT greatest(edges[1], coalesce(k.to_at, 'infinity')), edges[cardinality(edges)]
        FROM kept k
        UNION ALL
        SELECT greatest(edges[1], t.from_at), least(edges[cardinality(edges)], t.to_at)
        FROM stale t, kept k
        WHERE k.from_at IS NOT NULL
    )
    SELECT s.day, s.concert_id, s.standing, s.is_free, s.reservations::bigint, s.tickets::bigint,
           s.minor, s.first_at, s.last_at
    FROM public.sales_sums s
    WHERE s.day >= from_day AND s.day < until_day
      AND (of_concerts IS NULL OR s.concert_id = ANY (of_concerts))
      AND s.day NOT IN (SELECT t.day FROM stale t)
      AND (SELECT k.from_at FROM kept k) IS NOT NULL
    UNION ALL
    SELECT r.day, r.concert_id, public.sales_standing(r.status, r.payment_status), r.is_free,
           r.reservations, r.tickets, r.minor, r.first_at, r.last_at
    FROM (
        SELECT from_day + width_bucket(o.created_at, edges) - 1 AS day, o.concert_id,
               CASE WHEN o.status = 'pending' AND o.expires_at <= at_instant THEN 'expired'
                    ELSE o.status END AS status,
               o.payment_status, o.total_price = 0 AS is_free,
               count(*) AS reservations, sum(o.quantity)::bigint AS tickets,
               (sum(o.total_price) * 100)::bigint AS minor,
               min(o.created_at) AS first_at, max(o.created_at) AS last_at
        FROM unsummed u
        -- Each of the spans by the index of the instants, whatever the planner thinks of their number.
        CROSS JOIN LATERAL (
            SELECT r.created_at, r.concert_id, r.status, r.expires_at, r.payment_status, r.total_price,
                   r.quantity
            FROM public.reservations r
            WHERE r.created_at >= u.from_at AND r.created_at < u.to_at
              AND r.deleted_at IS NULL AND r.concert_id <> 0
              AND (of_concerts IS NULL OR r.concert_id = ANY (of_concerts))
            OFFSET 0
        ) AS o
        GROUP BY 1, 2, 3, 4, 5
    ) AS r
$$;

-- As in migration 24: what no sum holds changes none.
CREATE OR REPLACE FUNCTION mark_sales_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (TG_OP = 'DELETE' AND OLD.concert_id = 0) OR (TG_OP <> 'DELETE' AND NEW.concert_id = 0) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO public.sales_changes (created_at) VALUES (OLD.created_at);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.created_at <> OLD.created_at) THEN
        INSERT INTO public.sales_changes (created_at) VALUES (NEW.created_at);
    END IF;
    RETURN NULL;
END
$$;

-- The audit log tells what becomes of concerts that are for people: this one's making isn't told.
ALTER TABLE concerts DISABLE TRIGGER concerts_audit_insert;
INSERT INTO concerts (id, name, artist, date, venue, total_tickets, available_tickets, price, status,
                      description, deleted_at)
VALUES (0, 'write probe', 'stagedoor', '9999-01-01', 'nowhere', 1000, 1000, 1, 'open',
        'Servers try here whether tickets can be sold. Nobody sees it; leave it as it is.',
        now() AT TIME ZONE 'utc');
ALTER TABLE concerts ENABLE TRIGGER concerts_audit_insert;
