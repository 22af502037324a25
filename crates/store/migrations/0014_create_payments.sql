-- Money: each attempt to pay, and everything that a provider ever told about one.
-- An event is acted on in the transaction that keeps it, so each counts once however often it comes.
-- A server of the version before needs none of it.

CREATE TABLE payments (
    id             VARCHAR(50)   NOT NULL,
    reservation_id VARCHAR(50)   NOT NULL,
    provider       VARCHAR(16)   NOT NULL,
    amount         DECIMAL(10,2) NOT NULL,
    currency       VARCHAR(3)    NOT NULL,
    status         VARCHAR(16)   NOT NULL DEFAULT 'pending',
    language       VARCHAR(8)    NOT NULL,
    provider_ref   VARCHAR(255),
    provider_money VARCHAR(255),
    redirect_url   TEXT,
    refund_reason  VARCHAR(32),
    refund_error   VARCHAR(500),
    ask_at         TIMESTAMP,
    created_at     TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at     TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    deleted_at     TIMESTAMP,
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_reservation_id_fkey
        FOREIGN KEY (reservation_id) REFERENCES reservations (id),
    CONSTRAINT payments_provider_check CHECK (provider IN ('sandbox', 'stripe', 'manual')),
    CONSTRAINT payments_amount_check CHECK (amount > 0),
    CONSTRAINT payments_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT payments_status_check
        CHECK (status IN ('pending', 'completed', 'failed', 'refunding', 'refunded')),
    CONSTRAINT payments_refund_reason_check CHECK (refund_reason IN (
        'late', 'cancelled', 'twice', 'wrong_amount', 'by_customer', 'by_staff'))
);
COMMENT ON TABLE payments IS 'Attempts to pay for a reservation; no card data, which no provider gives us.';
COMMENT ON COLUMN payments.provider IS 'manual: staff had the money another way';
COMMENT ON COLUMN payments.provider_ref IS 'the provider''s name for its page at which this can be paid';
COMMENT ON COLUMN payments.provider_money IS 'the provider''s name for the money that came';
COMMENT ON COLUMN payments.redirect_url IS 'the provider''s page; whoever has it may pay';
COMMENT ON COLUMN payments.refund_reason IS 'why the money goes back';
COMMENT ON COLUMN payments.refund_error IS 'why it couldn''t yet, in words for operators';
COMMENT ON COLUMN payments.ask_at IS 'when the provider is asked what became of it; NULL when that is known';

-- A reservation's payments, the newest last.
CREATE INDEX payments_reservation_id_idx ON payments (reservation_id, created_at);
-- One page to pay at, at a time.
CREATE UNIQUE INDEX payments_reservation_id_pending_key ON payments (reservation_id)
    WHERE status = 'pending';
-- By the provider's words for them.
CREATE UNIQUE INDEX payments_provider_money_key ON payments (provider, provider_money);
-- What is undecided, the longest unasked first.
CREATE INDEX payments_ask_at_idx ON payments (ask_at) WHERE ask_at IS NOT NULL;

ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments FORCE ROW LEVEL SECURITY;
CREATE POLICY payments_owner ON payments TO stagedoor_owner USING (true) WITH CHECK (true);
CREATE POLICY payments_report ON payments FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY payments_app ON payments TO stagedoor_app USING (
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

CREATE TRIGGER payments_audit_insert AFTER INSERT ON payments
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_insert('redirect_url');
CREATE TRIGGER payments_audit_update AFTER UPDATE ON payments
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION audit_update('redirect_url');
CREATE TRIGGER payments_audit_delete AFTER DELETE ON payments
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_delete('redirect_url');
CREATE TRIGGER payments_audit_truncate BEFORE TRUNCATE ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();
CREATE TRIGGER payments_keep_id BEFORE UPDATE ON payments
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();

CREATE TABLE payment_events (
    provider    VARCHAR(16)  NOT NULL,
    event_id    VARCHAR(255) NOT NULL,
    payment_id  VARCHAR(50),
    news        VARCHAR(32)  NOT NULL,
    consequence VARCHAR(32)  NOT NULL,
    received_at TIMESTAMP    NOT NULL,
    CONSTRAINT payment_events_pkey PRIMARY KEY (provider, event_id),
    CONSTRAINT payment_events_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT payment_events_event_id_check CHECK (event_id <> '')
);
COMMENT ON TABLE payment_events IS
    'What providers told, each once, and what was done about it; never changed.';
COMMENT ON COLUMN payment_events.payment_id IS 'NULL where it is none of ours';
COMMENT ON COLUMN payment_events.news IS 'paid, failed, refunded, refund_moved, refund_failed or disputed';
COMMENT ON COLUMN payment_events.consequence IS
    'nothing, unknown, confirmed, given_back, failed, refunded, asked, reported';
-- A payment's story.
CREATE INDEX payment_events_payment_id_idx ON payment_events (payment_id, received_at);

-- Only the product itself and staff; whoever pays sees the payment.
ALTER TABLE payment_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_events FORCE ROW LEVEL SECURITY;
CREATE POLICY payment_events_owner ON payment_events TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY payment_events_report ON payment_events FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY payment_events_app ON payment_events TO stagedoor_app USING (
    (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        IN ('system', 'job', 'staff', 'cli')
);

-- The make-believe card network of the sandbox provider: its own books, on which nothing of ours
-- relies but through the same port as on a real one's.
CREATE TABLE sandbox_orders (
    payment_id   VARCHAR(50)   NOT NULL,
    amount       DECIMAL(10,2) NOT NULL,
    currency     VARCHAR(3)    NOT NULL,
    title        VARCHAR(600)  NOT NULL,
    return_url   TEXT          NOT NULL,
    held_until   TIMESTAMP     NOT NULL,
    outcome      VARCHAR(16),
    told_at      TIMESTAMP,
    is_closed    BOOLEAN       NOT NULL DEFAULT false,
    refunded_at  TIMESTAMP,
    created_at   TIMESTAMP     NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT sandbox_orders_pkey PRIMARY KEY (payment_id),
    CONSTRAINT sandbox_orders_outcome_check
        CHECK (outcome IN ('pay', 'decline', 'late', 'twice', 'never', 'refund_fails'))
);
COMMENT ON TABLE sandbox_orders IS 'The sandbox provider''s books; empty where a real one takes the money.';
COMMENT ON COLUMN sandbox_orders.outcome IS 'what was chosen on its pay page';
COMMENT ON COLUMN sandbox_orders.told_at IS 'from when on it tells what became of the order';
