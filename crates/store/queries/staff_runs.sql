--: Run(concert_id?, address?, request_id?, finished_at?)
--: Trouble(reason?)
--: Row(outcome?, reason?)
--: Recent(concert_id?, artist?, name?, finished_at?)

--! insert (concert_id?, address?, request_id?)
-- None where the form was sent before. Waits for a transaction under way that has the key.
-- staff_runs_key_key.
INSERT INTO staff_runs (kind, concert_id, started_by, key, address, request_id, created_at)
VALUES (:kind, :concert_id, :started_by, :key, :address, :request_id, :now)
ON CONFLICT (key) DO NOTHING
RETURNING id;

--! insert_rows
-- Reservations that are there, in the order of their ids.
INSERT INTO staff_run_rows (run_id, number, reservation_id)
SELECT :run_id, (row_number() OVER (ORDER BY id))::int, id
FROM reservations
WHERE id = ANY(:ids) AND deleted_at IS NULL AND concert_id <> 0;

--! insert_rows_of_concert
-- Every reservation that has tickets of a concert; its row is locked. A hold that ran out has them until
-- it is swept, and may be paid until then. idx_reservations_concert.
INSERT INTO staff_run_rows (run_id, number, reservation_id)
SELECT :run_id, (row_number() OVER (ORDER BY id))::int, id
FROM reservations
WHERE concert_id = :concert_id AND status IN ('confirmed', 'pending') AND deleted_at IS NULL;

--! find : Run
-- A run with who started it. Primary keys.
SELECT r.id, r.kind, r.concert_id, r.started_by, u.username, u.role,
       u.is_active AND u.deleted_at IS NULL AS is_active, r.address, r.request_id, r.created_at,
       r.finished_at
FROM staff_runs r
JOIN admin_users u ON u.id = r.started_by
WHERE r.id = :id;

--! find_by_key
-- staff_runs_key_key.
SELECT id FROM staff_runs WHERE key = :key;

--! find_of_concert
-- The newest cancellation of a concert. staff_runs_concert_id_idx.
SELECT id FROM staff_runs WHERE concert_id = :concert_id ORDER BY id DESC LIMIT 1;

--! has_ended_reservation
-- Whether a reservation was cancelled because its concert was. staff_run_rows_reservation_id_idx.
SELECT EXISTS (
    SELECT FROM staff_run_rows w
    JOIN staff_runs r ON r.id = w.run_id
    WHERE w.reservation_id = :reservation_id AND w.outcome = 'done' AND r.kind = 'cancel_concert'
) AS has_ended;

--! list_open
-- What a run has still to do, in order. staff_run_rows_open_idx.
SELECT number, reservation_id
FROM staff_run_rows
WHERE run_id = :run_id AND outcome IS NULL
ORDER BY number
LIMIT :limit;

--! settle (reason?)
-- No row changes where somebody else has settled it. Primary key.
UPDATE staff_run_rows SET outcome = :outcome, reason = :reason, settled_at = :now
WHERE run_id = :run_id AND number = :number AND outcome IS NULL;

--! refuse_rest
-- All that a run has still to do. staff_run_rows_open_idx.
UPDATE staff_run_rows SET outcome = 'refused', reason = :reason, settled_at = :now
WHERE run_id = :run_id AND outcome IS NULL;

--! finish
-- Once nothing is left to do; the log has the address by then. Primary key; staff_run_rows_open_idx.
UPDATE staff_runs SET finished_at = :now, address = NULL
WHERE id = :id AND finished_at IS NULL
  AND NOT EXISTS (SELECT FROM staff_run_rows WHERE run_id = :id AND outcome IS NULL);

--! count_rows
-- Primary key.
SELECT count(*) AS total,
       count(*) FILTER (WHERE outcome = 'done') AS done,
       count(*) FILTER (WHERE outcome = 'refused') AS refused,
       count(*) FILTER (WHERE outcome = 'failed') AS failed
FROM staff_run_rows
WHERE run_id = :run_id;

--! count_refunds
-- How the money stands that a run sends back: what was done with before it began isn't the run's.
-- Primary key; payments_reservation_id_idx.
SELECT count(*) FILTER (WHERE p.status = 'refunded') AS back,
       count(*) FILTER (WHERE p.status = 'refunding' AND p.refund_error IS NULL) AS under_way,
       count(*) FILTER (WHERE p.status = 'refunding' AND p.refund_error IS NOT NULL) AS stuck
FROM staff_run_rows w
JOIN payments p ON p.reservation_id = w.reservation_id AND p.updated_at >= :since
WHERE w.run_id = :run_id AND w.outcome = 'done';

--! count_mails
-- The mails about what a run did that were written since it began. Primary key;
-- mails_reservation_id_idx.
SELECT count(*) FILTER (WHERE m.status = 'pending') AS waiting,
       count(*) FILTER (WHERE m.status IN ('sent', 'kept')) AS sent,
       count(*) FILTER (WHERE m.status = 'dead') AS dead
FROM staff_run_rows w
JOIN mails m ON m.reservation_id = w.reservation_id AND m.created_at >= :since
WHERE w.run_id = :run_id AND w.outcome = 'done';

--! list_troubles : Trouble
-- What wasn't done, and why. Primary key.
SELECT reservation_id, outcome, reason
FROM staff_run_rows
WHERE run_id = :run_id AND outcome IN ('refused', 'failed')
ORDER BY number
LIMIT :limit;

--! list_rows : Row
-- The first rows of a run, and what became of each. Primary key.
SELECT reservation_id, outcome, reason
FROM staff_run_rows
WHERE run_id = :run_id
ORDER BY number
LIMIT :limit;

--! list_newest : Recent
-- The newest runs with who started each, and of which concert. Primary keys.
SELECT r.id, r.kind, r.concert_id, c.artist, c.name, u.username, r.created_at, r.finished_at
FROM staff_runs r
JOIN admin_users u ON u.id = r.started_by
LEFT JOIN concerts c ON c.id = r.concert_id
ORDER BY r.id DESC
LIMIT :limit;

--! count_of_concert
-- What cancelling a concert would do. What was paid is on each reservation; which of it staff took, on
-- its payment. idx_reservations_concert; payments_by_hand_idx.
WITH taken AS MATERIALIZED (
    SELECT count(*) AS payments, coalesce(sum(p.amount) * 100, 0)::bigint AS minor
    FROM reservations r
    JOIN payments p
      ON p.reservation_id = r.id AND p.provider = 'manual' AND p.status = 'completed'
    WHERE r.concert_id = :concert_id AND r.status IN ('confirmed', 'pending')
      AND r.deleted_at IS NULL
), standing AS (
    SELECT count(*) FILTER (WHERE status = 'confirmed') AS confirmed,
           count(*) FILTER (WHERE status = 'pending') AS held,
           coalesce(sum(quantity), 0)::bigint AS tickets,
           count(*) FILTER (WHERE payment_status = 'completed' AND total_price > 0) AS paid,
           coalesce(sum(total_price) FILTER (WHERE payment_status = 'completed') * 100, 0)::bigint
               AS minor
    FROM reservations
    WHERE concert_id = :concert_id AND status IN ('confirmed', 'pending') AND deleted_at IS NULL
)
SELECT s.confirmed, s.held, s.tickets, s.paid - t.payments AS by_provider, t.payments AS by_hand,
       s.minor - t.minor AS provider_minor, t.minor AS hand_minor
FROM standing s, taken t;
