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
