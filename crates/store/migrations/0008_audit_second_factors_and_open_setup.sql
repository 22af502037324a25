-- Second factors of staff in the audit log, and the way in for the first superadmin.
-- Whoever takes a second factor away, or puts another in its place, opens an account; that must not go
-- unseen. Neither the triggers nor the table are in the way of a server of the version before.

-- Rows of small tables that are known by another column than `id`, which is the first argument; the
-- others name the columns that are secret. Of these the log tells that they changed, never what they
-- hold. One row at a time: a handful of them change in a month.
CREATE FUNCTION audit_keyed_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    key_column text := TG_ARGV[0];
    secrets text[] := TG_ARGV;
    hidden jsonb := '"(secret)"';
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    known_as text := coalesce(before, after) ->> key_column;
BEGIN
    secrets := array_remove(secrets, key_column);
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, CASE WHEN key = ANY (secrets) THEN hidden ELSE b.value END),
               jsonb_object_agg(key, CASE WHEN key = ANY (secrets) THEN hidden ELSE a.value END)
        INTO before, after
        FROM jsonb_each(before) AS b
        JOIN jsonb_each(after) AS a USING (key)
        WHERE a.value <> b.value;
        IF after IS NULL THEN
            RETURN NULL;
        END IF;
    ELSE
        before := before - secrets;
        after := after - secrets;
    END IF;
    SELECT * INTO who FROM public.audit_actor();
    INSERT INTO public.audit_logs (user_id, action, table_name, record_id, old_values, new_values,
                                   ip_address, actor_kind, actor, request_id)
    VALUES (who.user_id,
            CASE TG_OP WHEN 'INSERT' THEN 'CREATE' ELSE TG_OP END,
            TG_TABLE_NAME, known_as, before, after, who.address, who.kind, who.actor,
            who.request_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER admin_totp_audit AFTER INSERT OR UPDATE OR DELETE ON admin_totp
    FOR EACH ROW EXECUTE FUNCTION audit_keyed_row('admin_user_id', 'secret');
CREATE TRIGGER admin_totp_audit_truncate BEFORE TRUNCATE ON admin_totp
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();

CREATE TRIGGER admin_recovery_codes_audit AFTER INSERT OR UPDATE OR DELETE ON admin_recovery_codes
    FOR EACH ROW EXECUTE FUNCTION audit_keyed_row('admin_user_id', 'code_digest');
CREATE TRIGGER admin_recovery_codes_audit_truncate BEFORE TRUNCATE ON admin_recovery_codes
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();

-- The address that makes the first superadmin. One row at most, so that one address counts.
CREATE TABLE admin_setup (
    is_only      BOOLEAN   NOT NULL DEFAULT true,
    token_digest BYTEA     NOT NULL,
    created_at   TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    expires_at   TIMESTAMP NOT NULL,
    CONSTRAINT admin_setup_pkey PRIMARY KEY (is_only),
    CONSTRAINT admin_setup_is_only_check CHECK (is_only),
    CONSTRAINT admin_setup_token_digest_check CHECK (octet_length(token_digest) = 32)
);
COMMENT ON TABLE admin_setup IS
    'The token with which the first superadmin is made, until it is used or there is a superadmin.';
COMMENT ON COLUMN admin_setup.token_digest IS
    'SHA-256 of 256 random bits, which the log of the server that started last alone has';
