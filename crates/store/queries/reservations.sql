--: Reservation(expires_at?, extensions?)

--! find : Reservation
-- One reservation that isn't deleted. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE id = :id AND deleted_at IS NULL;

--! find_even_deleted : Reservation
-- For the replay of an answer that was once given. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE id = :id;

--! find_concert_id
-- Which concert to lock before the reservation may be locked. Primary key.
SELECT concert_id FROM reservations WHERE id = :id AND deleted_at IS NULL;

--! lock : Reservation
-- One reservation under its row lock; its concert's row is locked before. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE id = :id AND deleted_at IS NULL
FOR UPDATE;

--! sum_held
-- How many tickets of a concert one customer holds at an instant. idx_reservations_email.
-- An overdue hold counts until it is swept, for its tickets aren't back yet.
SELECT coalesce(sum(quantity), 0)::bigint AS held
FROM reservations
WHERE customer_email = :customer_email
  AND concert_id = :concert_id
  AND status IN ('pending', 'confirmed')
  AND deleted_at IS NULL;

--! insert (expires_at?, client_ip?)
INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity, total_price,
                          status, google_auth, payment_status, reserved_at, created_at,
                          updated_at, expires_at, client_ip)
VALUES (:id, :concert_id, :customer_name, :customer_email, :quantity, :total_price,
        :status, :google_auth, :payment_status, :now, :now, :now, :expires_at, :client_ip);

--! update_status
-- Primary key.
UPDATE reservations SET status = :status, updated_at = :now WHERE id = :id;

--! extend
-- Primary key.
UPDATE reservations
SET expires_at = :expires_at, extensions = :extensions, updated_at = :now
WHERE id = :id;

--! lend
-- Gives holds that were kept at `since` the time that went by from then to `now`. Those that were
-- touched after `began` are left out: the ones made or extended since, and those that have theirs.
-- idx_reservations_status.
WITH kept AS MATERIALIZED (
    SELECT id
    FROM reservations
    WHERE status = 'pending' AND expires_at > :since AND updated_at <= :began
    ORDER BY id
    LIMIT :limit
    FOR UPDATE
)
UPDATE reservations
SET expires_at = expires_at + (:now::timestamp - :since::timestamp), updated_at = :now
FROM kept
WHERE reservations.id = kept.id;

--! list_overdue
-- Pending reservations whose hold ran out, the longest overdue first, but for those of concerts whose
-- row was locked by somebody else. idx_reservations_status.
SELECT id, concert_id
FROM reservations
WHERE status = 'pending' AND expires_at <= :now AND concert_id <> ALL(:passed_over)
ORDER BY expires_at
LIMIT :limit;

--! look : (beat_at?, end_at?)
-- All that the sweeper must know to rest: the one clock that decides expiry, when the sweeper was
-- last awake, and when the next hold ends that is still kept. Primary key; idx_reservations_status.
SELECT (clock_timestamp() AT TIME ZONE 'utc')::timestamp AS primary_now,
       (SELECT beat_at FROM heartbeats WHERE task = :task) AS beat_at,
       (SELECT min(expires_at) FROM reservations WHERE status = 'pending') AS end_at;

--! lock_overdue
-- Those of them that still are so under their locks; their concerts are locked before. Primary key.
SELECT id, concert_id, quantity
FROM reservations
WHERE id = ANY(:ids) AND status = 'pending' AND expires_at <= :now
ORDER BY id
FOR UPDATE;

--! expire
-- Primary key.
UPDATE reservations SET status = 'expired', updated_at = :now WHERE id = ANY(:ids);
