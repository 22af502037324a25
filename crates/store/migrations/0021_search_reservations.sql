-- Searching reservations for a part of a name or an e-mail address, however many there are. Row-level
-- security keeps such a search from every index, because its operators might show rows to whoever may
-- not see them, so it goes through a function that looks up the role itself.
-- A server of the version before searches on as it did.

-- Part of PostgreSQL's own packages, and installed by a database's owner; in a schema of ours, where
-- nobody else may use its functions, unless somebody has installed it before.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE SCHEMA stagedoor_extensions;
        CREATE EXTENSION pg_trgm SCHEMA stagedoor_extensions;
    END IF;
END
$$;

-- The index itself, reservations_search_idx, is built after the migrations. Until it is there and
-- valid, there is nothing to put in order, and what is rare is looked for in all rows.
CREATE FUNCTION tidy_reservation_search() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(gin_clean_pending_list(x.indexrelid)), 0)::bigint
    FROM pg_index x
    WHERE x.indexrelid = to_regclass('public.reservations_search_idx') AND x.indisvalid
$$;

-- Ids of reservations whose name or address is like part, or whose id is one from from_id until before
-- until_id that is like of_prefix; for staff alone, newest first, behind (before_at, before_id). A part
-- that many have is found among the newest; whatever isn't is rare enough for the index.
CREATE FUNCTION search_reservations(
    part text, of_prefix text, from_id text, until_id text, of_concert integer, of_email text,
    of_status text, from_at timestamp, to_at timestamp, before_at timestamp, before_id text,
    at timestamp, rows_max integer
) RETURNS TABLE (id text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    -- Of all; those of one concert or of one customer are few enough to be read at once.
    is_few constant boolean := of_concert IS NOT NULL OR of_email IS NOT NULL;
    newest constant integer := 20000;
    alike constant text := '(r.customer_name ILIKE $1 OR r.customer_email ILIKE $1'
        || CASE WHEN of_prefix IS NULL THEN ')'
                ELSE ' OR (r.id >= $3 AND r.id < $4 AND r.id ILIKE $2))' END;
    narrow constant text := 'r.deleted_at IS NULL'
        || CASE WHEN of_concert IS NULL THEN '' ELSE ' AND r.concert_id = $5' END
        || CASE WHEN of_email IS NULL THEN '' ELSE ' AND r.customer_email = $6' END
        || CASE
               WHEN of_status IS NULL THEN ''
               WHEN of_status = 'expired' THEN
                   ' AND (r.status = $7 OR (r.status = ''pending'' AND r.expires_at <= $12))'
               ELSE ' AND r.status = $7
                      AND (r.status = ''pending'' AND r.expires_at <= $12) IS NOT TRUE'
           END
        || CASE WHEN from_at IS NULL THEN '' ELSE ' AND r.created_at >= $8' END
        || CASE WHEN to_at IS NULL THEN '' ELSE ' AND r.created_at < $9' END
        || CASE WHEN before_at IS NULL THEN '' ELSE ' AND (r.created_at, r.id) < ($10, $11)' END;
    in_order constant text := ' ORDER BY r.created_at DESC, r.id DESC LIMIT ';
    found_ids text[];
    seen bigint;
BEGIN
    PERFORM FROM public.admin_users u
    WHERE u.id = nullif(current_setting('stagedoor.user_id', true), '')::integer
      AND u.is_active AND u.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only active staff search reservations'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE
        'SELECT (array_agg(r.id ORDER BY r.created_at DESC, r.id DESC) FILTER (WHERE ' || alike || '))
                [:$13], count(*)
         FROM (SELECT r.id, r.customer_name, r.customer_email, r.created_at
               FROM public.reservations r WHERE ' || narrow
        || CASE WHEN is_few THEN '' ELSE in_order || newest END || ') AS r'
    INTO found_ids, seen
    USING part, of_prefix, from_id, until_id, of_concert, of_email, of_status, from_at, to_at,
          before_at, before_id, at, rows_max;
    IF NOT is_few AND seen >= newest AND coalesce(cardinality(found_ids), 0) < rows_max THEN
        -- The order of making would be read to its end for what is rare.
        PERFORM set_config('enable_seqscan', 'off', true),
                set_config('enable_indexscan', 'off', true);
        EXECUTE
            'SELECT ARRAY(SELECT r.id FROM public.reservations r
                          WHERE ' || alike || ' AND ' || narrow || in_order || '$13)'
        INTO found_ids
        USING part, of_prefix, from_id, until_id, of_concert, of_email, of_status, from_at, to_at,
              before_at, before_id, at, rows_max;
    END IF;
    RETURN QUERY SELECT unnest(found_ids);
END
$$;
