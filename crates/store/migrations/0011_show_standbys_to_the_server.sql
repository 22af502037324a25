-- The server must know whether a standby confirms what it commits, and sees nothing of the standbys
-- itself: PostgreSQL shows pg_stat_replication to members of pg_read_all_stats alone. This function
-- gives the server five figures of each standby, and no addresses and no statements of others.
--
-- Its owner is made a member of pg_read_all_stats by `stagedoor migrate`; where that was not allowed
-- the states are NULL, and `stagedoor doctor` says so.

CREATE FUNCTION list_standbys()
    RETURNS TABLE (name text, state text, sync_state text, replayed bigint, behind bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT application_name, state, sync_state,
           (replay_lsn - '0/0'::pg_lsn)::bigint,
           (pg_current_wal_lsn() - replay_lsn)::bigint
    FROM pg_stat_replication
$$;
REVOKE ALL ON FUNCTION list_standbys() FROM PUBLIC;
