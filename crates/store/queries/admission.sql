--: LockedConcert()
--: Found(first_expires_at?, expires_at?)

--! set_limits
-- What holds for one batch's transaction, which the engine itself makes. A lane that hangs in the middle of it frees the hot row.
-- Plans are made once, and not for a table that is small or unknown now and large soon: without
-- statistics, or with those of an empty table, PostgreSQL would read the whole of it.
SELECT set_config('lock_timeout', :lock_timeout, true) AS lock_timeout,
       set_config('idle_in_transaction_session_timeout', '2000', true) AS idle_timeout,
       set_config('enable_seqscan', 'off', true) AS enable_seqscan,
       set_config('plan_cache_mode', 'force_generic_plan', true) AS plan_cache_mode,
       set_config('stagedoor.actor_kind', 'system', true) AS actor_kind,
       set_config('stagedoor.actor', 'engine', true) AS actor;

--! lock_concerts : LockedConcert
-- The stock of every concert of a batch, locked in id order; the write probe's is marked as deleted for
-- everybody else. Primary key.
SELECT id, available_tickets, price, status, date
FROM concerts
WHERE id = ANY(:ids) AND (deleted_at IS NULL OR id = 0)
ORDER BY id
FOR UPDATE;

--! find_receipts : Found
-- What the keys of a batch were used for, with the reservations to rebuild the first answers from.
-- Receipts too old to count come too, so that they can be replaced. Primary keys.
SELECT a.key_digest, a.values_digest, a.created_at AS receipt_at, a.expires_at AS first_expires_at,
       r.id, r.concert_id, r.customer_name, r.customer_email, r.quantity, r.total_price, r.status,
       r.google_auth, r.payment_status, r.reserved_at, r.created_at, r.updated_at, r.expires_at
FROM admission_receipts a
JOIN reservations r ON r.id = a.reservation_id
WHERE a.key_digest = ANY(:key_digests);

--! sum_held
-- How many tickets of a concert each customer of a batch holds; only those that hold any.
-- The lateral aggregate keeps this a loop over idx_reservations_email however large the table is.
-- Only the e-mail is a condition of the search: on a young table without statistics PostgreSQL would
-- otherwise take idx_reservations_concert and read the whole concert once for each customer.
SELECT wanted.customer_email, wanted.concert_id, held.tickets
FROM unnest(:customer_emails::text[], :concert_ids::int[]) AS wanted (customer_email, concert_id)
CROSS JOIN LATERAL (
    SELECT sum(r.quantity) FILTER (
               WHERE r.concert_id = wanted.concert_id
                 AND r.status IN ('pending', 'confirmed')
                 AND r.deleted_at IS NULL
           )::bigint AS tickets
    FROM reservations r
    WHERE r.customer_email = wanted.customer_email
) AS held
WHERE held.tickets > 0;

--! insert_reservations
INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity, total_price,
                          status, google_auth, payment_status, reserved_at, created_at,
                          updated_at, expires_at, client_ip, request_id)
SELECT id, concert_id, customer_name, customer_email, quantity, total_price, status, google_auth,
       payment_status, :now::timestamp, :now::timestamp, :now::timestamp,
       CASE WHEN status = 'pending' THEN :expires_at::timestamp END, nullif(client_ip, ''),
       request_id
FROM unnest(:ids::text[], :concert_ids::int[], :customer_names::text[], :customer_emails::text[],
            :quantities::int[], :total_prices::numeric[], :statuses::text[],
            :google_auths::bool[], :payment_statuses::text[], :client_ips::text[],
            :request_ids::uuid[])
     AS new (id, concert_id, customer_name, customer_email, quantity, total_price, status,
             google_auth, payment_status, client_ip, request_id);

--! delete_receipts
-- Receipts too old to count, whose keys are about to be used again; not one that another server has
-- written meanwhile. Primary key.
DELETE FROM admission_receipts WHERE key_digest = ANY(:key_digests) AND created_at <= :since;

--! insert_receipts
-- Sorted by digest, so that two servers never wait for each other in a circle.
INSERT INTO admission_receipts (key_digest, values_digest, reservation_id, request_id, expires_at,
                                created_at)
SELECT key_digest, values_digest, reservation_id, request_id,
       CASE WHEN is_held THEN :expires_at::timestamp END, :now::timestamp
FROM unnest(:key_digests::bytea[], :values_digests::bytea[], :reservation_ids::text[],
            :request_ids::uuid[], :are_held::bool[])
     AS new (key_digest, values_digest, reservation_id, request_id, is_held);

--! insert_mails
-- The mails about reservations that are confirmed at once, each with its job; after insert_reservations.
WITH written AS (
    INSERT INTO mails (id, kind, language, recipient, reservation_id, message_id, created_at,
                       updated_at)
    SELECT id, 'confirmed', language, recipient, reservation_id, message_id, :now::timestamp,
           :now::timestamp
    FROM unnest(:ids::text[], :languages::text[], :recipients::text[], :reservation_ids::text[],
                :message_ids::text[])
         AS new (id, language, recipient, reservation_id, message_id)
    RETURNING id
)
INSERT INTO jobs (task, payload, run_at, attempts_max, created_at)
SELECT :task::text, jsonb_build_object('mail', id), :now::timestamp, :attempts_max::int, :now::timestamp
FROM written;

--! find_existing
-- Which of a batch's reservations exist: the truth after a commit that did not answer. Primary key.
SELECT id FROM reservations WHERE id = ANY(:ids);
