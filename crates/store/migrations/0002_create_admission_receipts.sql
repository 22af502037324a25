-- One slim row for each admitted request that came with an Idempotency-Key.
-- It proves that the key was used, for which values and with which result; the answer itself is
-- rebuilt from the reservation, so nothing personal is stored twice.
-- No foreign key to reservations: it would cost every sale, and a receipt outlives nothing.

CREATE TABLE admission_receipts (
    key_digest     BYTEA       NOT NULL,
    values_digest  BYTEA       NOT NULL,
    reservation_id VARCHAR(50) NOT NULL,
    request_id     UUID        NOT NULL,
    expires_at     TIMESTAMP,
    created_at     TIMESTAMP   NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT admission_receipts_pkey PRIMARY KEY (key_digest),
    CONSTRAINT admission_receipts_key_digest_check CHECK (octet_length(key_digest) = 16),
    CONSTRAINT admission_receipts_values_digest_check CHECK (octet_length(values_digest) = 16)
);
COMMENT ON COLUMN admission_receipts.key_digest IS
    'first 16 bytes of SHA-256 over route, caller and key';
COMMENT ON COLUMN admission_receipts.expires_at IS
    'end of the hold as it was first answered; NULL for a free concert';
-- Receipts are kept 24 hours and deleted by age.
CREATE INDEX admission_receipts_created_at_idx ON admission_receipts (created_at);
