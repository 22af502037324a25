-- What the plain way sends for one buyer, word for word but for the values, which pgbench makes up.
\set buyer random(1, 1000000000000)
\startpipeline
BEGIN;
SELECT set_config('stagedoor.actor_kind', 'system', true), set_config('stagedoor.actor', 'engine', true);
\endpipeline
SELECT available_tickets, price, status, date FROM concerts
WHERE id = :concert AND deleted_at IS NULL FOR UPDATE;
SELECT values_digest, reservation_id, expires_at, created_at FROM admission_receipts
WHERE key_digest = decode(md5(:buyer::text), 'hex') AND created_at > '2020-01-01';
SELECT coalesce(sum(quantity), 0)::bigint AS held FROM reservations
WHERE customer_email = 'pgbench-' || :buyer::text || '@example.com' AND concert_id = :concert
  AND status IN ('pending', 'confirmed') AND deleted_at IS NULL;
UPDATE concerts SET available_tickets = available_tickets - 1, updated_at = now() WHERE id = :concert;
INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity, total_price,
                          status, google_auth, payment_status, reserved_at, created_at,
                          updated_at, expires_at, client_ip)
VALUES ('RES' || :buyer::text || '-' || left(md5(random()::text), 8), :concert, 'Rush buyer',
        'pgbench-' || :buyer::text || '@example.com', 1, 1250.00, 'pending', false, 'pending',
        now(), now(), now(), now() + interval '24 hours', '127.0.0.1');
INSERT INTO admission_receipts (key_digest, values_digest, reservation_id, request_id, expires_at,
                                created_at)
VALUES (decode(md5(:buyer::text), 'hex'), decode(md5(:buyer::text), 'hex'),
        'RES' || :buyer::text, gen_random_uuid(), now() + interval '24 hours', now())
ON CONFLICT (key_digest) DO UPDATE
SET values_digest = excluded.values_digest, reservation_id = excluded.reservation_id,
    request_id = excluded.request_id, expires_at = excluded.expires_at,
    created_at = excluded.created_at
WHERE admission_receipts.created_at <= '2020-01-01';
COMMIT;
