--: Kept(expires_at?, deleted_at?, client_ip?, concert_name?, artist?, venue?, concert_on?)

--! list_reservations : Kept
-- All that is kept under an e-mail address, newest first, deleted ones included. idx_reservations_email.
SELECT r.id, r.concert_id, r.customer_name, r.customer_email, r.quantity, r.total_price, r.status,
       r.payment_status, r.google_auth, r.reserved_at, r.expires_at, r.created_at, r.updated_at,
       r.deleted_at, r.client_ip, c.name AS concert_name, c.artist, c.venue, c.date AS concert_on
FROM reservations r
LEFT JOIN concerts c ON c.id = r.concert_id
WHERE r.customer_email = :email
ORDER BY r.created_at DESC, r.id DESC
LIMIT :rows_max;

--! list_payments : (refund_reason?, refund_note?)
-- Theirs. payments_reservation_id_idx.
SELECT id, reservation_id, provider, amount, currency, status, refund_reason, refund_note, created_at,
       updated_at
FROM payments WHERE reservation_id = ANY(:ids) ORDER BY created_at, id;

--! list_tickets : (used_at?)
-- Theirs, without the codes that let people in. tickets_reservation_id_number_key.
SELECT t.reservation_id, t.number, r.status AS reservation_status, t.used_at, t.created_at
FROM tickets t
JOIN reservations r ON r.id = t.reservation_id
WHERE t.reservation_id = ANY(:ids)
ORDER BY t.reservation_id, t.number;

--! list_mails : (reservation_id?, sent_at?)
-- Those about their reservations, and to their address. Mails are kept for 90 days; no index.
SELECT id, kind, language, recipient, reservation_id, status, sent_at, created_at
FROM mails
WHERE reservation_id = ANY(:ids) OR recipient = :email
ORDER BY created_at, id
LIMIT :rows_max;

--! find_account : (name?)
-- customers_email_key.
SELECT id, name, created_at, updated_at FROM customers WHERE email = :email;

--! list_identities
-- Where they sign in besides by mail. customer_identities_customer_id_idx.
SELECT issuer, subject, created_at, updated_at
FROM customer_identities
WHERE customer_id = :customer_id
ORDER BY id;

--! list_sessions
-- Those that aren't over. customer_sessions_customer_id_idx.
SELECT is_google, created_at, expires_at
FROM customer_sessions
WHERE customer_id = :customer_id
ORDER BY created_at;

--! lock_reservations
-- With the day of the concert, deleted ones included. Always in this order; no concert is locked, for
-- none changes, and nobody waits for one behind these. idx_reservations_email.
SELECT r.id, r.status, c.date AS concert_on
FROM reservations r
JOIN concerts c ON c.id = r.concert_id
WHERE r.customer_email = :email
ORDER BY r.id
FOR UPDATE OF r;

--! lock_payments
-- Behind their reservations. payments_reservation_id_idx.
SELECT id, reservation_id, status, ask_at IS NOT NULL AS is_asked
FROM payments WHERE reservation_id = ANY(:ids) ORDER BY id FOR UPDATE;

--! erase : Erasure()
-- Blanks all of it, the audit log included, where it is indexed by its records and exports.
SELECT erasure_id, log_row, rows_blanked, digests_before, digests_after
FROM erase_customer(:ids, :email, :pseudonym, :now);

--! sign_erasure
-- In the same transaction.
SELECT sign_audit_erasure(:id, :key_id, :mac)::text AS nothing;

--! list_erasures : Signed(key_id?, mac?)
-- In order, behind one. Primary key.
SELECT id, pseudonym, log_id, row_ids, befores, afters, key_id, mac, erased_at
FROM audit_erasures WHERE id > :after_id ORDER BY id LIMIT :rows_max;
