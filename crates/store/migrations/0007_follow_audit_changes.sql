-- What following the audit log lacked: the key of each seal, so that keys can change; digests at half
-- the cost, because they are made beside a sale; and double entry that goes through the whole log in
-- pages, each over in well under a second.
-- A server of the version before seals on, without saying with which key.

ALTER TABLE audit_seals ADD COLUMN key_id BYTEA;
ALTER TABLE audit_seals
    ADD CONSTRAINT audit_seals_key_id_check CHECK (octet_length(key_id) = 8);
COMMENT ON COLUMN audit_seals.key_id IS
    'which key made the MAC: 8 bytes that follow from it; NULL in seals from before keys were told apart';
-- Digests don't shrink, and trying to costs more than their bytes.
ALTER TABLE audit_seals ALTER COLUMN digests SET STORAGE EXTERNAL;

-- As before to the byte, because seals hold what it gave. Without settings of its own it becomes part
-- of the query that calls it (14 microseconds for a row, then 6); what its names mean is settled here
-- and not when it is called.
CREATE OR REPLACE FUNCTION audit_digest(row_of audit_logs) RETURNS bytea
LANGUAGE sql STABLE
RETURN substr(sha256(convert_to(jsonb_build_array(
    row_of.id, row_of.user_id, row_of.action, row_of.table_name, row_of.record_id,
    encode(sha256(convert_to(row_of.old_values::text, 'UTF8')), 'hex'),
    encode(sha256(convert_to(row_of.new_values::text, 'UTF8')), 'hex'),
    row_of.ip_address, row_of.created_at, row_of.actor_kind, row_of.actor, row_of.request_id,
    row_of.tx::text)::text, 'UTF8')), 1, 16);

-- When the oldest row that no seal covers was written, also while it can't be sealed because a
-- transaction from before it is under way; NULL if all are sealed.
CREATE FUNCTION find_unsealed_audit_log() RETURNS timestamp
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
BEGIN
    SELECT s.cluster_id, s.until_tx, s.until_id INTO last
    FROM public.audit_seals s ORDER BY s.id DESC LIMIT 1;
    IF last.cluster_id IS NULL THEN
        RETURN (SELECT l.created_at FROM public.audit_logs l ORDER BY l.tx, l.id LIMIT 1);
    ELSIF last.cluster_id = (SELECT system_identifier FROM pg_control_system()) THEN
        RETURN (SELECT l.created_at FROM public.audit_logs l
                WHERE (l.tx, l.id) > (last.until_tx, last.until_id)
                ORDER BY l.tx, l.id LIMIT 1);
    END IF;
    -- A restored copy that nobody has sealed yet: near enough.
    RETURN (SELECT l.created_at FROM public.audit_logs l WHERE l.id > last.until_id
            ORDER BY l.id LIMIT 1);
END
$$;

-- The changes of each record in their order, behind (after_record, after_id): which columns, and for
-- each value a number that is the same for the same value. The login that asks learns no value.
-- One record's changes wait for each other, so that their ids are in their order, and a page never
-- misses one that comes later. Whatever is known of the table, it is read by the index, which costs a
-- page the same however long the log is.
CREATE FUNCTION list_audit_changes(after_record text, after_id integer, rows_max integer)
RETURNS TABLE (
    id integer, table_name text, record_id text, is_new boolean, old_columns text[],
    old_hashes bigint[], new_columns text[], new_hashes bigint[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT l.id, l.table_name, l.record_id, l.action = 'CREATE',
           ARRAY(SELECT o.key FROM jsonb_each(l.old_values) AS o),
           ARRAY(SELECT hashtextextended(o.value::text, 0) FROM jsonb_each(l.old_values) AS o),
           ARRAY(SELECT n.key FROM jsonb_each(l.new_values) AS n),
           ARRAY(SELECT hashtextextended(n.value::text, 0) FROM jsonb_each(l.new_values) AS n)
    FROM public.audit_logs l
    WHERE (l.record_id, l.id) > (after_record, after_id)
      -- Several rows are one record of it, so that none follows from the one before.
      AND l.table_name <> 'admin_recovery_codes'
    ORDER BY l.record_id, l.id LIMIT rows_max
$$;

-- Concerts behind one with what is left of their tickets, by the log alone and by the table; of those
-- whose tickets the log doesn't know, nothing by the log. One statement sees both at one moment, so
-- that a sale beside it makes no difference.
CREATE FUNCTION list_concert_entries(after_id integer, rows_max integer)
RETURNS TABLE (id integer, by_log text, by_table text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT c.id, logged.tickets, c.available_tickets::text
    FROM (SELECT t.id, t.available_tickets FROM public.concerts t
          WHERE t.id > after_id ORDER BY t.id LIMIT rows_max) AS c
    LEFT JOIN LATERAL (
        SELECT l.new_values ->> 'available_tickets' AS tickets FROM public.audit_logs l
        WHERE l.record_id = c.id::text AND l.table_name = 'concerts'
          AND l.new_values ? 'available_tickets'
        ORDER BY l.id DESC LIMIT 1
    ) AS logged ON true
    ORDER BY c.id
$$;

-- The same of reservations and how they stand.
CREATE FUNCTION list_reservation_entries(after_id text, rows_max integer)
RETURNS TABLE (id text, by_log text, by_table text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    SELECT r.id, logged.status, r.status
    FROM (SELECT t.id, t.status FROM public.reservations t
          WHERE t.id > after_id ORDER BY t.id LIMIT rows_max) AS r
    LEFT JOIN LATERAL (
        SELECT l.new_values ->> 'status' AS status FROM public.audit_logs l
        WHERE l.record_id = r.id AND l.table_name = 'reservations' AND l.new_values ? 'status'
        ORDER BY l.id DESC LIMIT 1
    ) AS logged ON true
    ORDER BY r.id
$$;

-- It went through all at once, which takes longer than a statement may.
DROP FUNCTION list_audit_differences(integer);
