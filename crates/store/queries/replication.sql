--! position
-- Where the primary's log is; behind a COMMIT, at or behind its record.
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS position;

--! look_at_primary : (position?)
-- Once a second: where the log is, whether commits wait for a standby, and who confirms them. One that
-- replays nothing, such as pg_receivewal, is no standby that could take over. On a standby there is
-- no position.
SELECT CASE WHEN NOT pg_is_in_recovery()
            THEN (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint END AS position,
       current_setting('synchronous_standby_names') <> ''
           AND current_setting('synchronous_commit') NOT IN ('off', 'local') AS needs_standby,
       (SELECT count(*) FROM pg_stat_get_wal_senders()) AS senders,
       (SELECT count(*) FROM list_standbys()
        WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum') AND replayed IS NOT NULL)
           AS confirming,
       (SELECT count(*) FROM list_standbys() WHERE state IS NULL) AS hidden;

--! list_standbys : (state?, sync_state?, replayed?, behind?)
-- For `doctor`.
SELECT name, state, sync_state, replayed, behind FROM list_standbys() ORDER BY name;

--! look_at_standby
-- Once a second, and for whoever has just written: how far a standby has replayed the log.
SELECT pg_is_in_recovery() AS is_standby,
       coalesce((pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, 0) AS replayed;
