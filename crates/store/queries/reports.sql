--! list_sales (of_concerts?) : Sums(day?, concert_id?)
-- What was reserved, once by day and once by concert, for those that sold most, which come first; each
-- by how it stands. list_sales is a function over sales_sums; what isn't summed yet comes by
-- idx_reservations_created.
WITH sums AS MATERIALIZED (
    SELECT day, concert_id, standing, is_free, sum(reservations)::bigint AS reservations,
           sum(tickets)::bigint AS tickets, sum(minor)::bigint AS minor
    FROM list_sales(:edges, :from_day, :until_day, :zone, :of_concerts, :now)
    GROUP BY GROUPING SETS ((day, standing, is_free), (concert_id, standing, is_free))
), best AS (
    SELECT concert_id,
           coalesce(sum(tickets) FILTER (
               WHERE standing / 10 = sales_standing('confirmed', 'pending') / 10), 0) AS sold
    FROM sums
    WHERE concert_id IS NOT NULL
    GROUP BY concert_id
    ORDER BY sold DESC, concert_id
    LIMIT :limit
)
SELECT sums.day, sums.concert_id, standing, is_free, reservations, tickets, minor
FROM sums LEFT JOIN best USING (concert_id)
WHERE sums.concert_id IS NULL OR best.concert_id IS NOT NULL
ORDER BY best.sold DESC NULLS LAST, sums.concert_id;

--! list_sell_outs : (last_at?)
-- When the first ticket of each of these concerts was reserved, and when the last of those that are
-- taken now. Indexes as before.
SELECT concert_id, min(first_at) AS first_at,
       max(last_at) FILTER (
           WHERE standing / 10 IN (sales_standing('pending', 'pending') / 10,
                                   sales_standing('confirmed', 'pending') / 10)) AS last_at
FROM list_sales('{-infinity,infinity}', '-infinity', 'infinity', :zone, :ids, :now)
GROUP BY concert_id;

--! find_summed : (from_at?, to_at?, day?)
-- From when until when sales are summed, the last day of it, and whether in another time zone. Reads a
-- row for each day.
SELECT min(from_at) AS from_at, max(to_at) AS to_at, max(day) AS day,
       coalesce(bool_or(zone <> :zone), false) AS is_elsewhere
FROM sales_days;

--! find_first_sale : (first_at?)
-- idx_reservations_created.
SELECT min(created_at) AS first_at FROM reservations WHERE concert_id <> 0;

--! is_changed_before
-- Whether anything changed before what is summed. sales_changes_created_at_idx.
SELECT EXISTS (SELECT FROM sales_changes WHERE created_at < :from_at) AS is_changed;

--! list_stale
-- Summed days of which anything changed since.
SELECT DISTINCT d.day, d.from_at, d.to_at
FROM sales_changes c
JOIN sales_days d ON d.from_at <= c.created_at AND c.created_at < d.to_at
ORDER BY d.day
LIMIT :limit;

--! forget_changes
-- Before what they stand for is summed: what changes behind this is seen by that, or leaves its own
-- mark. sales_changes_created_at_idx.
DELETE FROM sales_changes WHERE created_at < :to_at AND created_at >= :from_at;

--! forget_sums
-- Of a day, with what was summed. Primary key; sales_sums_day_idx.
DELETE FROM sales_days WHERE day = :day;

--! forget_all_sums
DELETE FROM sales_days;

--! insert_day
INSERT INTO sales_days (day, zone, from_at, to_at) VALUES (:day, :zone, :from_at, :to_at);

--! sum_day
-- idx_reservations_created.
INSERT INTO sales_sums (concert_id, day, standing, is_free, reservations, tickets, minor, first_at,
                        last_at)
SELECT concert_id, day, standing, is_free, reservations, tickets, minor, first_at, last_at
FROM list_sales(:edges, :day, :day::date + 1, NULL, NULL, :now);
