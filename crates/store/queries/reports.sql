--! list_sales_by_day (of_concert?)
-- What was reserved between two instants, summed by day and by how it stands; `edges` are the
-- beginnings of the days. idx_reservations_created, or idx_reservations_concert for one concert.
SELECT width_bucket(created_at, :edges::timestamp[]) AS day,
       CASE WHEN status = 'pending' AND expires_at <= :now THEN 'expired' ELSE status END AS status,
       payment_status, total_price = 0 AS is_free,
       count(*) AS reservations, sum(quantity)::bigint AS tickets, sum(total_price) AS amount
FROM reservations
WHERE deleted_at IS NULL
  AND created_at >= :from_at AND created_at < :to_at
  AND (:of_concert::int IS NULL OR concert_id = :of_concert)
GROUP BY 1, 2, 3, 4;

--! list_sales_by_concert (of_concert?)
-- The same by concert, for those that sold most. Indexes as before.
WITH sums AS (
    SELECT concert_id,
           CASE WHEN status = 'pending' AND expires_at <= :now THEN 'expired' ELSE status END
               AS status,
           payment_status, total_price = 0 AS is_free,
           count(*) AS reservations, sum(quantity)::bigint AS tickets, sum(total_price) AS amount
    FROM reservations
    WHERE deleted_at IS NULL
      AND created_at >= :from_at AND created_at < :to_at
      AND (:of_concert::int IS NULL OR concert_id = :of_concert)
    GROUP BY 1, 2, 3, 4
), best AS (
    SELECT concert_id, coalesce(sum(tickets) FILTER (WHERE status = 'confirmed'), 0) AS sold
    FROM sums
    GROUP BY concert_id
    ORDER BY sold DESC, concert_id
    LIMIT :limit
)
SELECT concert_id, status, payment_status, is_free, reservations, tickets, amount
FROM sums JOIN best USING (concert_id)
ORDER BY sold DESC, concert_id;

--! list_sell_outs : (last_at?)
-- When the first ticket of each of these concerts was reserved, and when the last of those that are
-- taken now. idx_reservations_concert.
SELECT concert_id, min(created_at) AS first_at,
       max(created_at) FILTER (WHERE status IN ('pending', 'confirmed')) AS last_at
FROM reservations
WHERE concert_id = ANY(:ids) AND deleted_at IS NULL
GROUP BY concert_id;
