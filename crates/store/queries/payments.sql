--: Payment(provider_ref?, provider_money?, redirect_url?, refund_reason?, refund_error?, refund_note?, ask_at?)

--: Told(words?)

--: Returnable()

--! insert (provider_money?, refund_reason?, ask_at?)
INSERT INTO payments (id, reservation_id, provider, amount, currency, status, language,
                      provider_money, refund_reason, ask_at, created_at, updated_at)
VALUES (:id, :reservation_id, :provider, :amount, :currency, :status, :language,
        :provider_money, :refund_reason, :ask_at, :now, :now);

--! find : Payment
-- Primary key.
SELECT id, reservation_id, provider, amount, currency, status, language, provider_ref,
       provider_money, redirect_url, refund_reason, refund_error, refund_note, ask_at, created_at,
       updated_at
FROM payments
WHERE id = :id;

--! find_id_by_money
-- Which payment brought the money that a provider speaks of. payments_provider_money_key.
SELECT id FROM payments WHERE provider = :provider AND provider_money = :provider_money;

--! list : Payment
-- All attempts to pay for a reservation, the newest first. payments_reservation_id_idx.
SELECT id, reservation_id, provider, amount, currency, status, language, provider_ref,
       provider_money, redirect_url, refund_reason, refund_error, refund_note, ask_at, created_at,
       updated_at
FROM payments
WHERE reservation_id = :reservation_id
ORDER BY created_at DESC, id DESC
LIMIT 100;

--! lock : Payment
-- Behind the locks of its concert and its reservation. Primary key.
SELECT id, reservation_id, provider, amount, currency, status, language, provider_ref,
       provider_money, redirect_url, refund_reason, refund_error, refund_note, ask_at, created_at,
       updated_at
FROM payments
WHERE id = :id
FOR UPDATE;

--! update_opened
-- Primary key.
UPDATE payments
SET provider_ref = :provider_ref, redirect_url = :redirect_url, updated_at = :now
WHERE id = :id;

--! update_state (provider_money?, refund_reason?, refund_error?, ask_at?)
-- What was known of the money stays known. Primary key.
UPDATE payments
SET status = :status, provider_money = coalesce(:provider_money, provider_money),
    refund_reason = coalesce(:refund_reason, refund_reason), refund_error = :refund_error,
    ask_at = :ask_at, updated_at = :now
WHERE id = :id;

--! update_settled
-- What can't go back by itself was paid back by staff; nobody is asked any more. Primary key.
UPDATE payments
SET status = 'refunded', refund_note = :refund_note, refund_error = NULL, ask_at = NULL,
    updated_at = :now
WHERE id = :id;

--! update_ask_at (ask_at?)
-- Primary key.
UPDATE payments SET ask_at = :ask_at, updated_at = :now WHERE id = :id AND ask_at IS NOT NULL;

--! list_returnable : Returnable
-- What of these reservations' money can go back: what was paid, what a provider couldn't send, and what
-- staff must pay back by hand. payments_reservation_id_idx.
SELECT reservation_id,
       count(*) FILTER (WHERE status = 'completed') AS paid,
       coalesce(sum(amount * 100) FILTER (WHERE status = 'completed'), 0)::bigint AS paid_minor,
       count(*) FILTER (WHERE status = 'completed' AND provider = 'manual') AS by_hand,
       coalesce(sum(amount * 100) FILTER (WHERE status = 'completed' AND provider = 'manual'), 0)::bigint
           AS hand_minor,
       count(*) FILTER (WHERE status = 'refunding' AND provider <> 'manual') AS stuck,
       coalesce(sum(amount * 100) FILTER (WHERE status = 'refunding' AND provider <> 'manual'), 0)::bigint
           AS stuck_minor,
       count(*) FILTER (WHERE status = 'refunding' AND provider = 'manual') AS owed
FROM payments
WHERE reservation_id = ANY(:ids)
  AND (status = 'completed' OR (status = 'refunding' AND refund_error IS NOT NULL))
GROUP BY reservation_id;

--! list_due
-- Payments whose provider is to be asked what became of them, the longest due first. payments_ask_at_idx.
SELECT id
FROM payments
WHERE ask_at <= :now AND status <> 'refunding'
ORDER BY ask_at
LIMIT :limit;

--! list_due_refunds
-- The same of money that goes back; of what waits for its turn to be sent there is nothing to ask.
-- payments_ask_at_idx; jobs_task_dedup_key_idx.
SELECT p.id
FROM payments p
WHERE p.ask_at <= :now AND p.status = 'refunding'
  AND NOT EXISTS (
      SELECT FROM jobs j
      WHERE j.task = :refund_task AND j.dedup_key = p.id AND j.status = 'pending')
ORDER BY p.ask_at
LIMIT :limit;

--! count_stuck
-- Money that can't go back without somebody's help. payments_refund_error_idx.
SELECT count(*) FROM payments WHERE refund_error IS NOT NULL;

--! list_stuck : Payment
-- The same, whoever waits longest first. payments_refund_error_idx.
SELECT id, reservation_id, provider, amount, currency, status, language, provider_ref,
       provider_money, redirect_url, refund_reason, refund_error, refund_note, ask_at, created_at,
       updated_at
FROM payments
WHERE refund_error IS NOT NULL
ORDER BY updated_at
LIMIT :limit;

--! has_open_of_concert
-- Whether money of a concert may still come or go back. idx_reservations_concert;
-- payments_reservation_id_idx.
SELECT EXISTS (
    SELECT FROM reservations r
    JOIN payments p ON p.reservation_id = r.id
    WHERE r.concert_id = :concert_id AND p.status IN ('pending', 'completed', 'refunding')
) AS has_open;

--! insert_event (payment_id?, words?)
-- None where the provider had told this before. Primary key.
INSERT INTO payment_events (provider, event_id, payment_id, news, consequence, words, received_at)
VALUES (:provider, :event_id, :payment_id, :news, :consequence, :words, :now)
ON CONFLICT (provider, event_id) DO NOTHING;

--! list_events : Told
-- What was told of a reservation's payments, the oldest first; what staff noted is their words.
-- payments_reservation_id_idx; payment_events_payment_id_idx.
SELECT e.payment_id, e.news, e.consequence, e.received_at,
       CASE e.news WHEN 'settled' THEN p.refund_note ELSE e.words END AS words
FROM payments p
JOIN payment_events e ON e.payment_id = p.id
WHERE p.reservation_id = :reservation_id
ORDER BY e.received_at, e.event_id
LIMIT 200;

--! exists_event
-- Whether the provider had told this before. Primary key.
SELECT EXISTS (
    SELECT FROM payment_events WHERE provider = :provider AND event_id = :event_id
) AS is_known;

--! update_reservation_payment
-- How a reservation's payment stands. Primary key.
UPDATE reservations SET payment_status = :payment_status, updated_at = :now WHERE id = :id;

--: Order(outcome?, told_at?, refunded_at?)

--! insert_order
-- An order that is there already stays as it is. Primary key.
INSERT INTO sandbox_orders (payment_id, amount, currency, title, return_url, cancel_url, held_until,
                            created_at)
VALUES (:payment_id, :amount, :currency, :title, :return_url, :cancel_url, :held_until, :now)
ON CONFLICT (payment_id) DO NOTHING;

--! find_order : Order
-- Primary key.
SELECT payment_id, amount, currency, title, return_url, cancel_url, held_until, outcome, told_at,
       is_closed, refunded_at
FROM sandbox_orders
WHERE payment_id = :payment_id;

--! update_order_outcome (told_at?)
-- The first choice counts; a closed order takes none. Primary key.
UPDATE sandbox_orders SET outcome = :outcome, told_at = :told_at
WHERE payment_id = :payment_id AND NOT is_closed
  AND (outcome IS NULL OR outcome IN ('decline', 'never'));

--! close_order
-- Primary key.
UPDATE sandbox_orders SET is_closed = true WHERE payment_id = :payment_id;

--! refund_order
-- Primary key.
UPDATE sandbox_orders SET refunded_at = coalesce(refunded_at, :now::timestamp)
WHERE payment_id = :payment_id;
