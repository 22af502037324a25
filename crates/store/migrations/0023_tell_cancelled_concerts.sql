-- Everybody may know that a concert was cancelled; the run that did it is staff's alone.
-- A server of the version before shows such a concert as one whose sale is closed.

CREATE FUNCTION list_cancelled_concerts(of_ids integer[]) RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.concert_id FROM public.staff_runs r WHERE r.concert_id = ANY (of_ids)
$$;
