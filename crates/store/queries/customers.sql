--! upsert
-- The account of an address, made where there is none. customers_email_key.
INSERT INTO customers (email, created_at, updated_at)
VALUES (:email, :now, :now)
ON CONFLICT (email) DO UPDATE SET updated_at = EXCLUDED.updated_at
RETURNING id;

--! update_name
-- Primary key.
UPDATE customers SET name = :name, updated_at = :now WHERE id = :id;

--! update_name_from_booking
-- As they last booked, where nobody has told a name. Primary key; idx_reservations_email.
UPDATE customers c
SET name = (SELECT r.customer_name FROM reservations r
            WHERE r.customer_email = c.email AND r.deleted_at IS NULL
            ORDER BY r.created_at DESC LIMIT 1),
    updated_at = :now
WHERE c.id = :id AND c.name IS NULL;

--! upsert_identity
-- Whom a provider vouches for is linked with the account of the address that it verified.
-- customer_identities_issuer_subject_key.
INSERT INTO customer_identities (customer_id, issuer, subject, created_at, updated_at)
VALUES (:customer_id, :issuer, :subject, :now, :now)
ON CONFLICT (issuer, subject) DO UPDATE
SET customer_id = EXCLUDED.customer_id, updated_at = EXCLUDED.updated_at;

--: Booking(expires_at?, extensions?, image_url?)

--! list_bookings : Booking
-- A page of what is under an address: first what is still to come, by day, then the rest, the newest
-- first. idx_reservations_email; a customer has few.
SELECT r.id, r.concert_id, r.customer_name, r.customer_email, r.quantity, r.total_price, r.status,
       r.google_auth, r.payment_status, r.reserved_at, r.created_at, r.updated_at, r.expires_at,
       r.extensions, c.name, c.artist, c.venue, c.date, c.image_url, up.is_upcoming
FROM reservations r
JOIN concerts c ON c.id = r.concert_id
CROSS JOIN LATERAL (
    SELECT c.date >= :today
           AND (r.status = 'confirmed' OR (r.status = 'pending' AND r.expires_at > :now))
           AS is_upcoming
) AS up
WHERE r.customer_email = :email AND r.deleted_at IS NULL
ORDER BY up.is_upcoming DESC, CASE WHEN up.is_upcoming THEN c.date END, r.created_at DESC, r.id DESC
OFFSET :rows_before LIMIT :limit;
