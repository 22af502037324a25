-- Mails to buyers: each is written, with its job, in the transaction that makes it necessary.
-- Its text isn't kept: it is made from the reservation when the mail is sent.
-- A server of the version before needs none of it.

CREATE TABLE mails (
    id             VARCHAR(50)  NOT NULL,
    kind           VARCHAR(32)  NOT NULL,
    language       VARCHAR(8)   NOT NULL,
    recipient      VARCHAR(255) NOT NULL,
    reservation_id VARCHAR(50),
    message_id     VARCHAR(255) NOT NULL,
    status         VARCHAR(16)  NOT NULL DEFAULT 'pending',
    sent_at        TIMESTAMP,
    last_error     VARCHAR(500),
    created_at     TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at     TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT mails_pkey PRIMARY KEY (id),
    CONSTRAINT mails_reservation_id_fkey
        FOREIGN KEY (reservation_id) REFERENCES reservations (id),
    CONSTRAINT mails_kind_check
        CHECK (kind IN ('confirmed', 'cancelled', 'refunded', 'payment_failed')),
    CONSTRAINT mails_status_check CHECK (status IN ('pending', 'sent', 'kept', 'dead'))
);
COMMENT ON TABLE mails IS 'Mails to buyers and what became of them; deleted after 90 days.';
COMMENT ON COLUMN mails.message_id IS 'the mail''s Message-ID, the same in every attempt to send it';
COMMENT ON COLUMN mails.status IS
    'sent: a mail server has it; kept: there is none, as in development; dead: given up';
COMMENT ON COLUMN mails.last_error IS 'why the last attempt failed, in words for operators';

-- The list of those in one state, the newest first.
CREATE INDEX mails_status_idx ON mails (status, created_at, id);
-- The list of all, and what is old enough to be deleted.
CREATE INDEX mails_created_at_idx ON mails (created_at, id);
-- What was written about one reservation, the newest first.
CREATE INDEX mails_reservation_id_idx ON mails (reservation_id, created_at);

ALTER TABLE mails ENABLE ROW LEVEL SECURITY;
ALTER TABLE mails FORCE ROW LEVEL SECURITY;
CREATE POLICY mails_owner ON mails TO stagedoor_owner USING (true) WITH CHECK (true);
CREATE POLICY mails_report ON mails FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY mails_app ON mails TO stagedoor_app USING (
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

-- Who wished for a mail is in the log. What became of it stands in its own row, without another
-- line of the log for each attempt.
CREATE TRIGGER mails_audit_insert AFTER INSERT ON mails
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_insert('recipient');
CREATE TRIGGER mails_keep_id BEFORE UPDATE ON mails
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();
