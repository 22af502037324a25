--: Ticket(used_at?)

--! list : Ticket
-- A reservation's tickets. tickets_reservation_id_number_key.
SELECT t.id, t.reservation_id, t.concert_id, t.number, t.code, t.used_at, r.status AS reservation_status
FROM tickets t
JOIN reservations r ON r.id = t.reservation_id
WHERE t.reservation_id = :reservation_id
ORDER BY t.number;

--! insert
-- Those that are there already stay. tickets_reservation_id_number_key.
INSERT INTO tickets (reservation_id, concert_id, number, code, created_at, updated_at)
SELECT :reservation_id, :concert_id, number, code, :now::timestamp, :now::timestamp
FROM unnest(:numbers::int[], :codes::text[]) AS new (number, code)
ON CONFLICT (reservation_id, number) DO NOTHING;

--! lock_by_id : Ticket
-- Behind the lock of its reservation. Primary key.
SELECT t.id, t.reservation_id, t.concert_id, t.number, t.code, t.used_at, r.status AS reservation_status
FROM tickets t
JOIN reservations r ON r.id = t.reservation_id
WHERE t.id = :id
FOR UPDATE OF t;

--! find_id_by_code
-- tickets_code_key.
SELECT id FROM tickets WHERE code = :code;

--! find_reservation
-- Which reservation to lock before a ticket may be locked. Primary key.
SELECT reservation_id FROM tickets WHERE id = :id;

--! update_used (used_by?)
-- Primary key.
UPDATE tickets SET used_at = :now, used_by = :used_by, updated_at = :now
WHERE id = :id AND used_at IS NULL;
