--! insert_concerts
-- Made-up concerts, without tickets until their reservations are there.
INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price, status,
                      created_at, updated_at)
SELECT name, artist, date, venue, 0, 0, price, status, :now::timestamp, :now::timestamp
FROM unnest(:names::text[], :artists::text[], :dates::date[], :venues::text[],
            :prices::numeric[], :statuses::text[])
     AS new (name, artist, date, venue, price, status)
RETURNING id;

--! settle_stock
-- Gives made-up concerts the tickets that their reservations hold and a tenth more, in hundreds.
-- Reads the whole table once: the concerts have most of its rows.
UPDATE concerts
SET total_tickets = stock.total, available_tickets = stock.total - stock.held
FROM (
    SELECT made_up.id, coalesce(sum(r.quantity), 0)::int AS held,
           (ceil(greatest(coalesce(sum(r.quantity), 0) * 1.1, 500) / 100) * 100)::int AS total
    FROM unnest(:ids::int[]) AS made_up (id)
    LEFT JOIN reservations r
      ON r.concert_id = made_up.id AND r.status IN ('pending', 'confirmed')
    GROUP BY made_up.id
) AS stock
WHERE concerts.id = stock.id;

--! log_made_up
-- The one row of the audit log for everything that was made up.
INSERT INTO audit_logs (action, table_name, new_values, actor_kind, actor)
VALUES ('CREATE', 'reservations',
        jsonb_build_object('made_up_concerts', :concerts::bigint,
                           'made_up_reservations', :reservations::bigint),
        'cli', 'seed');
