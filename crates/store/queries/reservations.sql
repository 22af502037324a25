--: Reservation(expires_at?)

--! find : Reservation
-- One reservation that isn't deleted. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at
FROM reservations
WHERE id = :id AND deleted_at IS NULL;

--! find_even_deleted : Reservation
-- For the replay of an answer that was once given. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at
FROM reservations
WHERE id = :id;

--! find_concert_id
-- Which concert to lock before the reservation may be locked. Primary key.
SELECT concert_id FROM reservations WHERE id = :id AND deleted_at IS NULL;

--! lock : Reservation
-- One reservation under its row lock; its concert's row is locked before. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at
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
