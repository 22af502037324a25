-- What lets people in: one row for each ticket of a confirmed reservation, made when it is first asked
-- for. Whether a ticket is good follows from its reservation, so that no way of cancelling forgets it.
-- A server of the version before needs none of it.

CREATE TABLE tickets (
    id             BIGINT GENERATED ALWAYS AS IDENTITY,
    reservation_id VARCHAR(50) NOT NULL,
    concert_id     INTEGER     NOT NULL,
    number         INTEGER     NOT NULL,
    code           VARCHAR(12) NOT NULL,
    used_at        TIMESTAMP,
    used_by        INTEGER,
    created_at     TIMESTAMP   NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at     TIMESTAMP   NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    deleted_at     TIMESTAMP,
    CONSTRAINT tickets_pkey PRIMARY KEY (id),
    CONSTRAINT tickets_reservation_id_number_key UNIQUE (reservation_id, number),
    CONSTRAINT tickets_code_key UNIQUE (code),
    CONSTRAINT tickets_reservation_id_fkey
        FOREIGN KEY (reservation_id) REFERENCES reservations (id),
    CONSTRAINT tickets_concert_id_fkey FOREIGN KEY (concert_id) REFERENCES concerts (id),
    CONSTRAINT tickets_used_by_fkey FOREIGN KEY (used_by) REFERENCES admin_users (id),
    CONSTRAINT tickets_number_check CHECK (number > 0),
    CONSTRAINT tickets_code_check CHECK (code ~ '^[0-9A-HJKMNP-TV-Z]{12}$')
);
COMMENT ON TABLE tickets IS 'Tickets of confirmed reservations; valid while the reservation is confirmed.';
COMMENT ON COLUMN tickets.number IS 'which of its reservation''s tickets it is, from 1';
COMMENT ON COLUMN tickets.code IS 'for typing; whoever has it comes in';
COMMENT ON COLUMN tickets.used_at IS 'when its holder was let in';
COMMENT ON COLUMN tickets.used_by IS 'who let them in';

ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
ALTER TABLE tickets FORCE ROW LEVEL SECURITY;
CREATE POLICY tickets_owner ON tickets TO stagedoor_owner USING (true) WITH CHECK (true);
CREATE POLICY tickets_report ON tickets FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY tickets_app ON tickets TO stagedoor_app USING (
    CASE (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        WHEN 'customer' THEN EXISTS (
            SELECT FROM reservations r
            WHERE r.id = reservation_id
              AND r.customer_email = (SELECT nullif(current_setting('stagedoor.actor', true), '')))
        WHEN 'holder' THEN
            reservation_id = (SELECT nullif(current_setting('stagedoor.actor', true), ''))
        WHEN 'staff' THEN true
        WHEN 'system' THEN true
        WHEN 'job' THEN true
        WHEN 'cli' THEN true
        ELSE false
    END
);

CREATE TRIGGER tickets_audit_insert AFTER INSERT ON tickets
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_insert('code');
CREATE TRIGGER tickets_audit_update AFTER UPDATE ON tickets
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audit_update('code');
CREATE TRIGGER tickets_audit_delete AFTER DELETE ON tickets
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_delete('code');
CREATE TRIGGER tickets_audit_truncate BEFORE TRUNCATE ON tickets
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();
CREATE TRIGGER tickets_keep_id BEFORE UPDATE ON tickets
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();
