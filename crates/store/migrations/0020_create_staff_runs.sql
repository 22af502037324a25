-- What staff have done to many reservations at once: each run with its rows, and what became of each.
-- A row's outcome is written in the transaction that does it, so that a server that dies in the middle
-- of a run loses and doubles nothing.
-- A server of the version before needs none of it, but can't read a payment whose money goes back
-- because the concert was cancelled: none is written before a new server runs.

CREATE TABLE staff_runs (
    id          BIGINT GENERATED ALWAYS AS IDENTITY,
    kind        VARCHAR(16) NOT NULL,
    concert_id  INTEGER,
    started_by  INTEGER     NOT NULL,
    key         VARCHAR(64) NOT NULL,
    address     VARCHAR(45),
    request_id  UUID,
    created_at  TIMESTAMP   NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    finished_at TIMESTAMP,
    CONSTRAINT staff_runs_pkey PRIMARY KEY (id),
    CONSTRAINT staff_runs_key_key UNIQUE (key),
    CONSTRAINT staff_runs_concert_id_fkey FOREIGN KEY (concert_id) REFERENCES concerts (id),
    CONSTRAINT staff_runs_started_by_fkey FOREIGN KEY (started_by) REFERENCES admin_users (id),
    CONSTRAINT staff_runs_kind_check
        CHECK (kind IN ('cancel', 'refund', 'resend', 'cancel_concert')),
    CONSTRAINT staff_runs_concert_id_check
        CHECK ((kind = 'cancel_concert') = (concert_id IS NOT NULL))
);
COMMENT ON TABLE staff_runs IS 'What staff did to many reservations at once.';
COMMENT ON COLUMN staff_runs.concert_id IS 'the concert that was cancelled; one that has such a run is never opened again';
COMMENT ON COLUMN staff_runs.key IS 'of the form that was sent: sent twice, it is one run';
COMMENT ON COLUMN staff_runs.address IS 'of whoever started it, for the audit log, until it is finished';
COMMENT ON COLUMN staff_runs.finished_at IS 'when each of its rows had an outcome';

-- Whether a concert was cancelled.
CREATE INDEX staff_runs_concert_id_idx ON staff_runs (concert_id, id) WHERE concert_id IS NOT NULL;

CREATE TABLE staff_run_rows (
    run_id         BIGINT      NOT NULL,
    number         INTEGER     NOT NULL,
    reservation_id VARCHAR(50) NOT NULL,
    outcome        VARCHAR(16),
    reason         VARCHAR(32),
    settled_at     TIMESTAMP,
    CONSTRAINT staff_run_rows_pkey PRIMARY KEY (run_id, number),
    CONSTRAINT staff_run_rows_run_id_fkey FOREIGN KEY (run_id) REFERENCES staff_runs (id),
    CONSTRAINT staff_run_rows_reservation_id_fkey
        FOREIGN KEY (reservation_id) REFERENCES reservations (id),
    CONSTRAINT staff_run_rows_outcome_check CHECK (outcome IN ('done', 'refused', 'failed'))
);
COMMENT ON TABLE staff_run_rows IS 'The reservations of a run, and what became of each.';
COMMENT ON COLUMN staff_run_rows.outcome IS 'NULL while it waits for its turn';
COMMENT ON COLUMN staff_run_rows.reason IS 'why nothing was done';

-- What a run has still to do.
CREATE INDEX staff_run_rows_open_idx ON staff_run_rows (run_id, number) WHERE outcome IS NULL;
-- What runs did to one reservation.
CREATE INDEX staff_run_rows_reservation_id_idx ON staff_run_rows (reservation_id);

-- Only staff and the product itself.
ALTER TABLE staff_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY staff_runs_owner ON staff_runs TO stagedoor_owner USING (true) WITH CHECK (true);
CREATE POLICY staff_runs_app ON staff_runs TO stagedoor_app USING (
    (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        IN ('system', 'job', 'staff', 'cli')
);
ALTER TABLE staff_run_rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE staff_run_rows FORCE ROW LEVEL SECURITY;
CREATE POLICY staff_run_rows_owner ON staff_run_rows TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY staff_run_rows_app ON staff_run_rows TO stagedoor_app USING (
    (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        IN ('system', 'job', 'staff', 'cli')
);

-- Who wished for a run is in the log, and so is what was done to each reservation, by them.
CREATE TRIGGER staff_runs_audit_insert AFTER INSERT ON staff_runs
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_insert('key');
CREATE TRIGGER staff_runs_keep_id BEFORE UPDATE ON staff_runs
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();

-- Rows that are there fit the former one, and so this one; after_migrations.sql says so to PostgreSQL,
-- without a sale that waits while it looks.
ALTER TABLE payments DROP CONSTRAINT payments_refund_reason_check;
ALTER TABLE payments ADD CONSTRAINT payments_refund_reason_check CHECK (refund_reason IN (
    'late', 'cancelled', 'twice', 'wrong_amount', 'by_customer', 'by_staff', 'concert_cancelled')) NOT VALID;
