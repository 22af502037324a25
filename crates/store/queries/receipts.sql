--: Receipt(expires_at?)

--! find : Receipt
-- What a key was used for, unless that is too long ago to count. Primary key.
SELECT values_digest, reservation_id, expires_at, created_at
FROM admission_receipts
WHERE key_digest = :key_digest AND created_at > :since;

--! insert (expires_at?)
-- A receipt too old to count is replaced; one that counts is left alone, and then no row changes.
INSERT INTO admission_receipts (key_digest, values_digest, reservation_id, request_id, expires_at,
                                created_at)
VALUES (:key_digest, :values_digest, :reservation_id, :request_id, :expires_at, :now)
ON CONFLICT (key_digest) DO UPDATE
SET values_digest = excluded.values_digest, reservation_id = excluded.reservation_id,
    request_id = excluded.request_id, expires_at = excluded.expires_at,
    created_at = excluded.created_at
WHERE admission_receipts.created_at <= :since;

--! delete_before
-- At most :limit receipts that are too old to count. admission_receipts_created_at_idx.
DELETE FROM admission_receipts
WHERE key_digest IN (
    SELECT key_digest FROM admission_receipts
    WHERE created_at <= :before
    ORDER BY created_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);

--! delete
-- Of a key that nobody will use again. Primary key.
DELETE FROM admission_receipts WHERE key_digest = :key_digest;
