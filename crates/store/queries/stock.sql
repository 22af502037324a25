--! announce
-- Tells every process which concerts' stock changed. Nothing waits for a disk or a standby: who
-- misses it looks again soon by itself.
SELECT pg_notify('stagedoor_stock', :payload)::text AS sent,
       set_config('synchronous_commit', 'off', true) AS hurried;

--! list_availability
-- What is left of concerts that are shown somewhere. Primary key.
SELECT id, available_tickets, status
FROM concerts
WHERE id = ANY(:ids) AND deleted_at IS NULL AND status <> 'archived';

--! find_sale
-- How one concert's sale stands, in one snapshot; what is sold is what is neither left nor held, so
-- that the many sold ones aren't counted. Primary keys, idx_reservations_concert and, for payments
-- that nothing is known of yet, which are few in all, payments_reservation_id_pending_key.
WITH undecided AS MATERIALIZED (
    SELECT reservation_id FROM payments WHERE status = 'pending'
)
SELECT c.total_tickets, c.available_tickets,
       (SELECT coalesce(sum(r.quantity), 0)::bigint FROM reservations r
        WHERE r.concert_id = c.id AND r.status = 'pending') AS held,
       (SELECT count(*) FROM undecided u JOIN reservations r ON r.id = u.reservation_id
        WHERE r.concert_id = c.id) AS payments_undecided
FROM concerts c
WHERE c.id = :id AND c.deleted_at IS NULL;
