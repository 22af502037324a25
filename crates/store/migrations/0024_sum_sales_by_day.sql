-- Sums of reservations by day and concert, so that a report on a year of sales needn't read a year of
-- reservations. Days that are over for long are summed once; a day of which anything changes later is
-- read anew until it is summed again, so that a report is never out of date.
-- A server of the version before needs none of it and leaves its marks by the triggers.

CREATE TABLE sales_days (
    day     DATE        NOT NULL,
    zone    VARCHAR(64) NOT NULL,
    from_at TIMESTAMP   NOT NULL,
    to_at   TIMESTAMP   NOT NULL,
    CONSTRAINT sales_days_pkey PRIMARY KEY (day),
    CONSTRAINT sales_days_to_at_check CHECK (to_at > from_at)
);
COMMENT ON TABLE sales_days IS 'The days that are summed, one behind the other; every reservation of theirs is in sales_sums.';
COMMENT ON COLUMN sales_days.zone IS 'the time zone in which it is a day; where another one is set, all is summed anew';

CREATE TABLE sales_sums (
    concert_id   INTEGER   NOT NULL,
    day          DATE      NOT NULL,
    standing     SMALLINT  NOT NULL,
    is_free      BOOLEAN   NOT NULL,
    reservations INTEGER   NOT NULL,
    tickets      INTEGER   NOT NULL,
    minor        BIGINT    NOT NULL,
    first_at     TIMESTAMP NOT NULL,
    last_at      TIMESTAMP NOT NULL,
    CONSTRAINT sales_sums_pkey PRIMARY KEY (concert_id, day, standing, is_free),
    CONSTRAINT sales_sums_day_fkey FOREIGN KEY (day) REFERENCES sales_days (day) ON DELETE CASCADE
);
COMMENT ON TABLE sales_sums IS 'What was reserved on a day for a concert, by how it stands.';
COMMENT ON COLUMN sales_sums.standing IS 'sales_standing of status and payment_status';
COMMENT ON COLUMN sales_sums.minor IS 'sum of total_price in hundredths';
COMMENT ON COLUMN sales_sums.first_at IS 'when the first and the last of them were made';
CREATE INDEX sales_sums_day_idx ON sales_sums (day);

CREATE TABLE sales_changes (
    created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE sales_changes IS 'When the old reservations were made of which something changed since; their days are summed anew.';
CREATE INDEX sales_changes_created_at_idx ON sales_changes (created_at);

-- Tens: pending, confirmed, cancelled, expired; ones: pending, completed, failed, refunded.
CREATE FUNCTION sales_standing(status text, payment_status text) RETURNS smallint
LANGUAGE sql IMMUTABLE AS $$
    SELECT (10 * array_position('{pending,confirmed,cancelled,expired}'::text[], status)
            + array_position('{pending,completed,failed,refunded}'::text[], payment_status))::smallint
$$;

-- Reservations summed by day, concert and how they stand: those made between the first and the last
-- of the edges, which begin the days from from_day until before until_day. of_concerts: NULL for all.
-- What isn't summed, or changed since, is read from the reservations, where a hold that ran out by
-- at_instant is expired.
CREATE FUNCTION list_sales(
    edges timestamp[], from_day date, until_day date, of_zone text, of_concerts integer[],
    at_instant timestamp
) RETURNS TABLE (
    day date, concert_id integer, standing smallint, is_free boolean, reservations bigint,
    tickets bigint, minor bigint, first_at timestamp, last_at timestamp
)
LANGUAGE sql STABLE AS $$
    WITH kept AS MATERIALIZED (
        SELECT min(d.from_at) AS from_at, max(d.to_at) AS to_at
        FROM public.sales_days d
        WHERE d.zone = of_zone
    ), stale AS MATERIALIZED (
        SELECT DISTINCT d.day, d.from_at, d.to_at
        FROM public.sales_changes c
        JOIN public.sales_days d ON d.from_at <= c.created_at AND c.created_at < d.to_at
    ), unsummed AS MATERIALIZED (
        SELECT edges[1] AS from_at,
               least(edges[cardinality(edges)], coalesce(k.from_at, 'infinity')) AS to_at
        FROM kept k
        UNION ALL
        SELECT greatest(edges[1], coalesce(k.to_at, 'infinity')), edges[cardinality(edges)]
        FROM kept k
        UNION ALL
        SELECT greatest(edges[1], t.from_at), least(edges[cardinality(edges)], t.to_at)
        FROM stale t, kept k
        WHERE k.from_at IS NOT NULL
    )
    SELECT s.day, s.concert_id, s.standing, s.is_free, s.reservations::bigint, s.tickets::bigint,
           s.minor, s.first_at, s.last_at
    FROM public.sales_sums s
    WHERE s.day >= from_day AND s.day < until_day
      AND (of_concerts IS NULL OR s.concert_id = ANY (of_concerts))
      AND s.day NOT IN (SELECT t.day FROM stale t)
      AND (SELECT k.from_at FROM kept k) IS NOT NULL
    UNION ALL
    SELECT r.day, r.concert_id, public.sales_standing(r.status, r.payment_status), r.is_free,
           r.reservations, r.tickets, r.minor, r.first_at, r.last_at
    FROM (
        SELECT from_day + width_bucket(o.created_at, edges) - 1 AS day, o.concert_id,
               CASE WHEN o.status = 'pending' AND o.expires_at <= at_instant THEN 'expired'
                    ELSE o.status END AS status,
               o.payment_status, o.total_price = 0 AS is_free,
               count(*) AS reservations, sum(o.quantity)::bigint AS tickets,
               (sum(o.total_price) * 100)::bigint AS minor,
               min(o.created_at) AS first_at, max(o.created_at) AS last_at
        FROM unsummed u
        -- Each of the spans by the index of the instants, whatever the planner thinks of their number.
        CROSS JOIN LATERAL (
            SELECT r.created_at, r.concert_id, r.status, r.expires_at, r.payment_status, r.total_price,
                   r.quantity
            FROM public.reservations r
            WHERE r.created_at >= u.from_at AND r.created_at < u.to_at
              AND r.deleted_at IS NULL
              AND (of_concerts IS NULL OR r.concert_id = ANY (of_concerts))
            OFFSET 0
        ) AS o
        GROUP BY 1, 2, 3, 4, 5
    ) AS r
$$;

-- A day is summed when it has been over for a day. Reservations of half a day ago or less are in none,
-- so that a sale leaves no marks.
CREATE FUNCTION mark_sales_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO public.sales_changes (created_at) VALUES (OLD.created_at);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.created_at <> OLD.created_at) THEN
        INSERT INTO public.sales_changes (created_at) VALUES (NEW.created_at);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER reservations_sales_insert AFTER INSERT ON reservations
    FOR EACH ROW WHEN (NEW.created_at < (now() AT TIME ZONE 'utc') - interval '12 hours')
    EXECUTE FUNCTION mark_sales_change();
CREATE TRIGGER reservations_sales_update
    AFTER UPDATE OF concert_id, quantity, total_price, status, payment_status, created_at, deleted_at,
                    expires_at
    ON reservations
    FOR EACH ROW WHEN (OLD.created_at < (now() AT TIME ZONE 'utc') - interval '12 hours'
                       OR NEW.created_at < OLD.created_at)
    EXECUTE FUNCTION mark_sales_change();
CREATE TRIGGER reservations_sales_delete AFTER DELETE ON reservations
    FOR EACH ROW WHEN (OLD.created_at < (now() AT TIME ZONE 'utc') - interval '12 hours')
    EXECUTE FUNCTION mark_sales_change();
