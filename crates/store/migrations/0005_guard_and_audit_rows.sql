-- Who may see which rows, and a record of every change that nobody can quietly alter.
--
-- Each transaction says who acts by settings of its own (see docs/security.md); where nothing is
-- said, no row is seen. A setting that was ever set reads '' afterwards, not NULL, hence nullif; it
-- stands in a subquery, so that it is read once for a statement and not for each row.
-- A server of the version before says nothing and would see nothing: stop it before this migration.

ALTER TABLE reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE reservations FORCE ROW LEVEL SECURITY;
-- Forced, so that the owner needs a policy too: without one, a dump would be empty.
CREATE POLICY reservations_owner ON reservations TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY reservations_report ON reservations FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY reservations_app ON reservations TO stagedoor_app USING (
    CASE (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        WHEN 'customer' THEN
            customer_email = (SELECT nullif(current_setting('stagedoor.actor', true), ''))
        WHEN 'holder' THEN id = (SELECT nullif(current_setting('stagedoor.actor', true), ''))
        WHEN 'staff' THEN true
        WHEN 'system' THEN true
        WHEN 'job' THEN true
        WHEN 'cli' THEN true
        ELSE false
    END
);

-- Receipts lead to reservations; only the product itself asks for them.
ALTER TABLE admission_receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE admission_receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY admission_receipts_owner ON admission_receipts TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY admission_receipts_app ON admission_receipts TO stagedoor_app USING (
    (SELECT nullif(current_setting('stagedoor.actor_kind', true), '')) IN ('system', 'job')
);

-- The audit log, after the specified columns.
ALTER TABLE audit_logs
    ADD COLUMN actor_kind VARCHAR(20),
    ADD COLUMN actor      VARCHAR(255),
    ADD COLUMN request_id UUID,
    -- Rows from before seals are older than any transaction.
    ADD COLUMN tx         xid8 DEFAULT '0';
ALTER TABLE audit_logs ALTER COLUMN tx SET DEFAULT pg_current_xact_id();
COMMENT ON COLUMN audit_logs.actor_kind IS
    'customer, holder, staff, system, job, cli; sql for whoever came without saying so';
COMMENT ON COLUMN audit_logs.actor IS
    'which one: a reservation, a task, a part of the product, a login; never an e-mail address';
COMMENT ON COLUMN audit_logs.request_id IS
    'the request that asked for it, as in its answer and the log; a sale has it in its receipt';
COMMENT ON COLUMN audit_logs.tx IS 'the transaction that wrote the row; seals follow their order';
-- Sealing goes on where it stopped: ids are not committed in order, ends of transactions are.
CREATE INDEX audit_logs_tx_idx ON audit_logs (tx, id);
-- What somebody did, what became of the small tables, and what is rare: no sale is in any of these.
CREATE INDEX audit_logs_user_id_idx ON audit_logs (user_id, created_at, id)
    WHERE user_id IS NOT NULL;
CREATE INDEX audit_logs_table_name_idx ON audit_logs (table_name, created_at, id)
    WHERE table_name NOT IN ('reservations', 'concerts');
CREATE INDEX audit_logs_action_idx ON audit_logs (action, created_at, id)
    WHERE action NOT IN ('CREATE', 'UPDATE');
-- What happened to one record. Reservations' ids grow with time, so that this costs a sale little.
CREATE INDEX audit_logs_record_id_idx ON audit_logs (record_id, id);

-- Who acts, as the log keeps it. A customer is known by the reservation, so that the log has no
-- e-mail address but in the values.
CREATE FUNCTION audit_actor(
    OUT user_id integer, OUT kind text, OUT actor text, OUT address text, OUT request_id uuid
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    kind := coalesce(nullif(current_setting('stagedoor.actor_kind', true), ''), 'sql');
    user_id := nullif(current_setting('stagedoor.user_id', true), '')::integer;
    actor := CASE
        WHEN kind = 'customer' THEN NULL
        ELSE coalesce(nullif(current_setting('stagedoor.actor', true), ''), session_user::text)
    END;
    -- Whoever uses plain SQL comes from where their connection does.
    address := coalesce(nullif(current_setting('stagedoor.address', true), ''),
                        CASE WHEN kind = 'sql' THEN host(inet_client_addr()) END);
    request_id := nullif(current_setting('stagedoor.request_id', true), '')::uuid;
END
$$;

-- Rows that came. Columns that are secret are named as the trigger's arguments.
CREATE FUNCTION audit_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    secrets text[] := coalesce(TG_ARGV, '{}');
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, new_values, ip_address,
                                   actor_kind, actor, request_id)
    SELECT who.user_id, 'CREATE', TG_TABLE_NAME, n.id::text, to_jsonb(n) - secrets, who.address,
           who.kind, who.actor, who.request_id
    FROM new_rows n;
    RETURN NULL;
END
$$;

-- Reservations that came, a batch at a time, as every sale is: what is told elsewhere in the row is
-- left out. The engine writes them, and each is its buyer's, with the buyer's address.
CREATE FUNCTION audit_insert_reservations() RETURNS trigger
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
           who.request_id
    FROM new_rows n;
    RETURN NULL;
END
$$;

-- Rows that changed, with the columns that did; of a secret one only that it did. When it changed is
-- the log's own column. Marking a row as deleted is a DELETE.
-- PostgreSQL plans for as many rows as the first statement of the session changed: after one, pairing
-- five thousand took eleven seconds in a loop over all for each, and 0.3 without. The cost that a
-- forbidden loop is given must not make it compile the plan, which takes as long.
CREATE FUNCTION audit_update() RETURNS trigger
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
    WHERE changed.after IS NOT NULL;
    RETURN NULL;
END
$$;

-- Rows that went for good; the product itself only marks them.
CREATE FUNCTION audit_delete() RETURNS trigger
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
    FROM old_rows o;
    RETURN NULL;
END
$$;

-- A table that was emptied at once: PostgreSQL shows no rows of it, so their number is kept.
CREATE FUNCTION audit_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    rows_lost bigint;
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    EXECUTE format('SELECT count(*) FROM public.%I', TG_TABLE_NAME) INTO rows_lost;
    INSERT INTO public.audit_logs (user_id, action, table_name, old_values, ip_address, actor_kind,
                                   actor, request_id)
    VALUES (who.user_id, 'DELETE', TG_TABLE_NAME, jsonb_build_object('truncated_rows', rows_lost),
            who.address, who.kind, who.actor, who.request_id);
    RETURN NULL;
END
$$;

-- The log itself is never emptied, not even because a table that it refers to is.
CREATE FUNCTION refuse_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is never emptied', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER audit_logs_refuse_truncate BEFORE TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate();

-- What the log pairs old and new rows by.
CREATE FUNCTION refuse_new_id() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'an id of % is never changed', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER concerts_audit_insert AFTER INSERT ON concerts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_insert();
CREATE TRIGGER concerts_audit_update AFTER UPDATE ON concerts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audit_update();
CREATE TRIGGER concerts_audit_delete AFTER DELETE ON concerts
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_delete();
CREATE TRIGGER concerts_audit_truncate BEFORE TRUNCATE ON concerts
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();
CREATE TRIGGER concerts_keep_id BEFORE UPDATE ON concerts
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();

CREATE TRIGGER reservations_audit_insert AFTER INSERT ON reservations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_insert_reservations();
CREATE TRIGGER reservations_audit_update AFTER UPDATE ON reservations
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audit_update();
CREATE TRIGGER reservations_audit_delete AFTER DELETE ON reservations
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_delete();
CREATE TRIGGER reservations_audit_truncate BEFORE TRUNCATE ON reservations
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();
CREATE TRIGGER reservations_keep_id BEFORE UPDATE ON reservations
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();

CREATE TRIGGER admin_users_audit_insert AFTER INSERT ON admin_users
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_insert('password');
CREATE TRIGGER admin_users_audit_update AFTER UPDATE ON admin_users
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audit_update('password');
CREATE TRIGGER admin_users_audit_delete AFTER DELETE ON admin_users
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_delete('password');
CREATE TRIGGER admin_users_audit_truncate BEFORE TRUNCATE ON admin_users
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();
CREATE TRIGGER admin_users_keep_id BEFORE UPDATE ON admin_users
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();

-- Seals over the log. The key of their MACs is not in the database, so that not even a superuser can
-- change a sealed row, or make a seal, without being found out.
CREATE TABLE audit_seals (
    id         BIGINT GENERATED ALWAYS AS IDENTITY,
    cluster_id BIGINT    NOT NULL,
    until_tx   xid8      NOT NULL,
    until_id   INTEGER   NOT NULL,
    row_ids    INTEGER[] NOT NULL,
    digests    BYTEA     NOT NULL,
    mac        BYTEA     NOT NULL,
    sealed_at  TIMESTAMP NOT NULL,
    CONSTRAINT audit_seals_pkey PRIMARY KEY (id),
    CONSTRAINT audit_seals_digests_check
        CHECK (octet_length(digests) = 16 * cardinality(row_ids) AND cardinality(row_ids) > 0),
    CONSTRAINT audit_seals_mac_check CHECK (octet_length(mac) = 32)
);
COMMENT ON TABLE audit_seals IS
    'Each covers some rows of the audit log and the seal before it; audit verify follows them.';
COMMENT ON COLUMN audit_seals.cluster_id IS
    'the PostgreSQL cluster whose transactions are counted; a restored copy begins anew';
COMMENT ON COLUMN audit_seals.until_tx IS 'the last row that it covers, in the order of (tx, id)';
COMMENT ON COLUMN audit_seals.digests IS '16 bytes for each row, in the order of row_ids';
COMMENT ON COLUMN audit_seals.mac IS
    'HMAC-SHA-256 over the seal before and all columns but this and sealed_at';

-- The first 16 bytes of SHA-256 over a row, in which digests stand for the values, so that values
-- can be erased lawfully and the row still be proven.
CREATE FUNCTION audit_digest(row_of audit_logs) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT substr(sha256(convert_to(jsonb_build_array(
        row_of.id, row_of.user_id, row_of.action, row_of.table_name, row_of.record_id,
        encode(sha256(convert_to(row_of.old_values::text, 'UTF8')), 'hex'),
        encode(sha256(convert_to(row_of.new_values::text, 'UTF8')), 'hex'),
        row_of.ip_address, row_of.created_at, row_of.actor_kind, row_of.actor, row_of.request_id,
        row_of.tx::text)::text, 'UTF8')), 1, 16)
$$;

-- The next rows to be sealed: behind the last seal, of transactions that are all over.
-- Without a seal of this cluster, whatever no seal covers. The one way to the log for the server,
-- which learns nothing of what it says.
CREATE FUNCTION list_unsealed_audit_logs(rows_max integer)
RETURNS TABLE (id integer, tx xid8, digest bytea, written_at timestamp)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
    cluster bigint := (SELECT system_identifier FROM pg_control_system());
    over xid8 := pg_snapshot_xmin(pg_current_snapshot());
BEGIN
    SELECT s.cluster_id, s.until_tx, s.until_id INTO last
    FROM public.audit_seals s ORDER BY s.id DESC LIMIT 1;
    IF last.cluster_id IS NOT DISTINCT FROM cluster THEN
        RETURN QUERY
        SELECT l.id, l.tx, public.audit_digest(l), l.created_at FROM public.audit_logs l
        WHERE (l.tx, l.id) > (last.until_tx, last.until_id) AND l.tx < over
        ORDER BY l.tx, l.id LIMIT rows_max;
    ELSIF last.cluster_id IS NULL THEN
        RETURN QUERY
        SELECT l.id, l.tx, public.audit_digest(l), l.created_at FROM public.audit_logs l
        WHERE l.tx < over ORDER BY l.tx, l.id LIMIT rows_max;
    ELSE
        -- A restored copy: its rows count another cluster's transactions. What that one had not
        -- sealed yet and what came since, at once; ids that the last seals cover may be beyond their
        -- last row. A row of a transaction beside this one may be covered twice, without harm.
        RETURN QUERY
        SELECT l.id, (over::text::bigint - 1)::text::xid8, public.audit_digest(l), l.created_at
        FROM public.audit_logs l
        WHERE ((l.tx, l.id) > (last.until_tx, last.until_id) OR l.id > last.until_id)
          AND NOT EXISTS (
              SELECT
              FROM (SELECT s.row_ids FROM public.audit_seals s ORDER BY s.id DESC LIMIT 100) AS lately,
                   unnest(lately.row_ids) AS sealed (row_id)
              WHERE sealed.row_id = l.id)
        ORDER BY l.id;
    END IF;
END
$$;

-- A page of the log's digests, for following the seals.
CREATE FUNCTION list_audit_digests(after_id integer, rows_max integer)
RETURNS TABLE (id integer, tx xid8, digest bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.id, l.tx, public.audit_digest(l) FROM public.audit_logs l
    WHERE l.id > after_id ORDER BY l.id LIMIT rows_max
$$;

-- The log for staff who may read it, newest first, behind (before_at, before_id). The role is looked
-- up here and not believed, and the login that asks can't read the table.
CREATE FUNCTION list_audit_logs(
    of_table text, of_record text, of_user integer, of_action text, from_at timestamp,
    to_at timestamp, before_at timestamp, before_id integer, rows_max integer
) RETURNS TABLE (
    id integer, user_id integer, username text, action text, table_name text, record_id text,
    old_values text, new_values text, ip_address text, created_at timestamp, actor_kind text,
    actor text, request_id uuid
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.admin_users u
    WHERE u.id = nullif(current_setting('stagedoor.user_id', true), '')::integer
      AND u.is_active AND u.deleted_at IS NULL AND u.role IN ('superadmin', 'admin');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only an active admin reads the audit log'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Planned for the filters that were given: each has an index, or goes with the time.
    RETURN QUERY EXECUTE
        'SELECT l.id, l.user_id, u.username::text, l.action::text, l.table_name::text,
                l.record_id::text, l.old_values::text, l.new_values::text, l.ip_address::text,
                l.created_at, l.actor_kind::text, l.actor::text, l.request_id
         FROM public.audit_logs l LEFT JOIN public.admin_users u ON u.id = l.user_id
         WHERE true'
        -- As literals, so that the indexes with conditions can be seen to hold the rows.
        || CASE WHEN of_table IS NULL THEN '' ELSE format(' AND l.table_name = %L', of_table) END
        || CASE WHEN of_record IS NULL THEN '' ELSE ' AND l.record_id = $2' END
        || CASE WHEN of_user IS NULL THEN '' ELSE ' AND l.user_id = $3' END
        || CASE WHEN of_action IS NULL THEN '' ELSE format(' AND l.action = %L', of_action) END
        || CASE WHEN from_at IS NULL THEN '' ELSE ' AND l.created_at >= $5' END
        || CASE WHEN to_at IS NULL THEN '' ELSE ' AND l.created_at < $6' END
        || CASE WHEN before_at IS NULL THEN '' ELSE ' AND (l.created_at, l.id) < ($7, $8)' END
        || ' ORDER BY l.created_at DESC, l.id DESC LIMIT $9'
    USING of_table, of_record, of_user, of_action, from_at, to_at, before_at, before_id, rows_max;
END
$$;

-- What is left of a concert's tickets and how its reservations stand, by the log alone, where that is
-- not what the tables say: double entry, for concerts whose making is in the log.
CREATE FUNCTION list_audit_differences(rows_max integer)
RETURNS TABLE (table_name text, record_id text, by_log text, by_table text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'concerts', c.id::text, logged.tickets, c.available_tickets::text
    FROM public.concerts c
    CROSS JOIN LATERAL (
        SELECT l.new_values ->> 'available_tickets' AS tickets FROM public.audit_logs l
        WHERE l.record_id = c.id::text AND l.table_name = 'concerts'
          AND l.new_values ? 'available_tickets'
        ORDER BY l.id DESC LIMIT 1
    ) AS logged
    WHERE logged.tickets <> c.available_tickets::text
    UNION ALL
    SELECT 'reservations', r.id, logged.status, r.status
    FROM public.reservations r
    CROSS JOIN LATERAL (
        SELECT l.new_values ->> 'status' AS status FROM public.audit_logs l
        WHERE l.record_id = r.id AND l.table_name = 'reservations' AND l.new_values ? 'status'
        ORDER BY l.id DESC LIMIT 1
    ) AS logged
    WHERE logged.status <> r.status
    LIMIT rows_max
$$;

-- An export leaves the building, which the log tells: what was asked for, and how many rows went.
CREATE FUNCTION log_export(of_table text, asked jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
BEGIN
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, new_values, ip_address, actor_kind,
                                   actor, request_id)
    VALUES (who.user_id, 'EXPORT', of_table, asked, who.address, who.kind, who.actor,
            who.request_id);
END
$$;
