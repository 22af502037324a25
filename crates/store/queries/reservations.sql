-- Those of concert 0 are the write probe's, for a moment each. Whatever shows, lists or counts
-- reservations leaves them out; what locks or changes one is the probe's way, too.

--: Reservation(expires_at?, extensions?)

--! find : Reservation
-- One reservation that isn't deleted. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE id = :id AND deleted_at IS NULL AND concert_id <> 0;

--! find_even_deleted : Reservation
-- For the replay of an answer that was once given. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE id = :id;

--! find_concert_id
-- Which concert to lock before the reservation may be locked. Primary key.
SELECT concert_id FROM reservations WHERE id = :id AND deleted_at IS NULL;

--! list (of_id?, of_concert?, of_email?, of_status?, from_at?, to_at?, before_at?, before_id?, end_at?, end_id?, prefix?, part?) : Reservation
-- A page for staff, newest first, behind one of them. A hold that ran out counts as expired at once.
-- Planned for the filters that are given: the primary key, idx_reservations_email,
-- idx_reservations_concert, idx_reservations_status, or else idx_reservations_created. A part that is
-- too short for search has no index behind row-level security, so it ends at a place that
-- find_search_end gave.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE deleted_at IS NULL AND concert_id <> 0
  AND (:of_id::text IS NULL OR id = :of_id)
  AND (:of_concert::int IS NULL OR concert_id = :of_concert)
  AND (:of_email::text IS NULL OR customer_email = :of_email)
  AND (:of_status::text IS NULL
       OR (status = :of_status AND (status = 'pending' AND expires_at <= :now) IS NOT TRUE)
       OR (:of_status = 'expired' AND status = 'pending' AND expires_at <= :now))
  AND created_at >= coalesce(:from_at, '-infinity'::timestamp)
  AND created_at < coalesce(:to_at, 'infinity'::timestamp)
  AND (created_at, id) < (coalesce(:before_at, 'infinity'::timestamp), coalesce(:before_id, ''))
  AND (created_at, id) >= (coalesce(:end_at, '-infinity'::timestamp), coalesce(:end_id, ''))
  AND (:part::text IS NULL
       OR id ILIKE :prefix OR customer_email ILIKE :part OR customer_name ILIKE :part)
ORDER BY created_at DESC, id DESC
LIMIT :limit;

--! search (of_prefix?, from_id?, until_id?, of_concert?, of_email?, of_status?, from_at?, to_at?, before_at?, before_id?)
-- Ids for the same, of a part that reservations_search_idx knows; an id's beginning by the primary key.
SELECT id
FROM search_reservations(:part, :of_prefix, :from_id, :until_id, :of_concert, :of_email, :of_status,
                         :from_at, :to_at, :before_at, :before_id, :now, :rows_max);

--! tidy_search
-- Puts into order what the index of the search took up since; how many pages that were.
SELECT tidy_reservation_search() AS pages;

--! find_search_end (of_id?, of_concert?, of_email?, of_status?, from_at?, to_at?, before_at?, before_id?)
-- The last of so many rows that one page of a search may look at. Indexes as in list.
SELECT created_at, id
FROM reservations
WHERE deleted_at IS NULL AND concert_id <> 0
  AND (:of_id::text IS NULL OR id = :of_id)
  AND (:of_concert::int IS NULL OR concert_id = :of_concert)
  AND (:of_email::text IS NULL OR customer_email = :of_email)
  AND (:of_status::text IS NULL
       OR (status = :of_status AND (status = 'pending' AND expires_at <= :now) IS NOT TRUE)
       OR (:of_status = 'expired' AND status = 'pending' AND expires_at <= :now))
  AND created_at >= coalesce(:from_at, '-infinity'::timestamp)
  AND created_at < coalesce(:to_at, 'infinity'::timestamp)
  AND (created_at, id) < (coalesce(:before_at, 'infinity'::timestamp), coalesce(:before_id, ''))
ORDER BY created_at DESC, id DESC
OFFSET :rows_before LIMIT 1;

--! list_by_ids : Reservation
-- Those of them that are there. Primary key.
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, reserved_at, created_at, updated_at, expires_at, extensions
FROM reservations
WHERE id = ANY(:ids) AND deleted_at IS NULL AND concert_id <> 0
ORDER BY id;

--! sum_made
-- What was reserved since an instant and is confirmed. idx_reservations_created.
SELECT count(*) AS reservations, coalesce(sum(quantity), 0)::bigint AS tickets,
       coalesce(sum(total_price) * 100, 0)::bigint AS minor
FROM reservations
WHERE created_at >= :from_at AND status = 'confirmed' AND deleted_at IS NULL
  AND concert_id <> 0;

--! sum_pending
-- What is held now. idx_reservations_status.
SELECT count(*) AS reservations, coalesce(sum(quantity), 0)::bigint AS tickets
FROM reservations
WHERE status = 'pending' AND expires_at > :now AND deleted_at IS NULL AND concert_id <> 0;

--! count_taken
-- What stands against less capacity and against deleting a concert. idx_reservations_concert.
SELECT coalesce(sum(quantity) FILTER (WHERE status = 'confirmed'), 0)::bigint AS sold,
       coalesce(sum(quantity) FILTER (WHERE status = 'pending'), 0)::bigint AS held,
       count(*) AS reservations
FROM reservations
WHERE concert_id = :concert_id AND status IN ('pending', 'confirmed');

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

--! confirm
-- Primary key.
UPDATE reservations
SET status = 'confirmed', payment_status = 'completed', updated_at = :now
WHERE id = :id;

--! delete
-- Only a mark, for the audit log speaks of it. Primary key.
UPDATE reservations SET deleted_at = :now, updated_at = :now WHERE id = :id;

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
      AND concert_id <> 0
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
WHERE status = 'pending' AND expires_at <= :now AND concert_id <> 0
  AND concert_id <> ALL(:passed_over)
ORDER BY expires_at
LIMIT :limit;

--! look : (beat_at?, end_at?)
-- All that the sweeper must know to rest: the one clock that decides expiry, when the sweeper was
-- last awake, and when the next hold ends that is still kept. Primary key; idx_reservations_status.
SELECT (clock_timestamp() AT TIME ZONE 'utc')::timestamp AS primary_now,
       (SELECT beat_at FROM heartbeats WHERE task = :task) AS beat_at,
       (SELECT min(expires_at) FROM reservations
        WHERE status = 'pending' AND concert_id <> 0) AS end_at;

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
