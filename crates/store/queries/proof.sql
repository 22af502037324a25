--! find_stock
-- One concert's stock beside what reservations hold of it, both of one moment. Primary key and
-- idx_reservations_concert; a concert has at most a million tickets.
SELECT concerts.total_tickets, concerts.available_tickets,
       (SELECT coalesce(sum(quantity), 0)
        FROM reservations
        WHERE concert_id = concerts.id AND status IN ('pending', 'confirmed'))::bigint AS held
FROM concerts
WHERE concerts.id = :id;

--! list_of_customers
-- What up to a thousand customers have, deleted or given back too. idx_reservations_email.
SELECT id, concert_id, customer_email, quantity, status, deleted_at IS NOT NULL AS is_deleted
FROM reservations
WHERE customer_email = ANY(:customer_emails)
LIMIT :limit;
