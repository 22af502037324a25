-- What the health page draws: a peak for each minute of the last day and each hour of the last month,
-- and the size of each table once a day, from which growth is told. Every server writes its own peaks
-- into the same rows. A server of the version before writes none, which leaves gaps.

CREATE TABLE health_samples (
    series      varchar(40) NOT NULL CONSTRAINT health_samples_series_check CHECK (series <> ''),
    -- How long the stretch is that begins at `at`.
    step_minutes smallint   NOT NULL
                CONSTRAINT health_samples_step_minutes_check CHECK (step_minutes IN (1, 60)),
    at          timestamp   NOT NULL,
    value       double precision NOT NULL
                CONSTRAINT health_samples_value_check CHECK (value >= 0 AND value < 'Infinity'),
    CONSTRAINT health_samples_pkey PRIMARY KEY (series, step_minutes, at)
) WITH (fillfactor = 70);

CREATE TABLE table_sizes (
    day         date        NOT NULL,
    table_name  varchar(63) NOT NULL CONSTRAINT table_sizes_table_name_check CHECK (table_name <> ''),
    -- With its indexes.
    bytes       bigint      NOT NULL CONSTRAINT table_sizes_bytes_check CHECK (bytes >= 0),
    measured_at timestamp   NOT NULL,
    CONSTRAINT table_sizes_pkey PRIMARY KEY (day, table_name)
);

-- Statistics may be gathered by a table's owner alone, and the server owns none.
CREATE FUNCTION analyze_table(of_name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname = of_name
                     AND pg_has_role(relowner, 'USAGE')) THEN
        RETURN false;
    END IF;
    EXECUTE format('ANALYZE public.%I', of_name);
    RETURN true;
END
$$;

-- Few, and counted every quarter of a minute.
CREATE INDEX jobs_dead_idx ON jobs (task) WHERE status = 'dead';
