--! insert (repo?, label?)
-- As stagedoor_backup, which may do nothing else; therefore nothing is returned.
INSERT INTO backup_runs (kind, repo, label, started_at, finished_at, is_ok, detail)
VALUES (:kind, :repo, :label, :started_at, :finished_at, :is_ok, :detail);

--! list_last : (repo?, label?)
-- The last success and the last failure of each kind in each repository, up to an instant: what a clock
-- that was wrong dated far ahead would else hide everything after it.
-- backup_runs_kind_repo_finished_at_idx for successes; failures are few, and have none.
(SELECT DISTINCT ON (kind, repo) kind, repo, label, started_at, finished_at, is_ok, detail
 FROM backup_runs
 WHERE is_ok AND finished_at <= :until
 ORDER BY kind, repo, finished_at DESC)
UNION ALL
(SELECT DISTINCT ON (kind, repo) kind, repo, label, started_at, finished_at, is_ok, detail
 FROM backup_runs
 WHERE NOT is_ok AND finished_at <= :until
 ORDER BY kind, repo, finished_at DESC);

--! find_archiving
-- Whether the primary's log is kept, which needs a way as well as the mode; how long ago a file of it
-- last was (since PostgreSQL's figures began, where none was yet); after how long an unfinished file is
-- closed, 0 for never; whether keeping the next one fails; whether the last file tells how far the log is
-- kept; how many bytes were written since, and how long a file is.
-- A backup's label begins with the name of the file that the backup began in; a timeline's history tells
-- no position. Before version 15 there is no archive_library.
-- Of PostgreSQL's own, without an index.
SELECT current_setting('archive_mode') <> 'off'
           AND (current_setting('archive_command') <> ''
                OR coalesce(current_setting('archive_library', true), '') <> '') AS is_on,
       extract(epoch FROM clock_timestamp() - coalesce(last_archived_time, stats_reset))::float8
           AS age_s,
       extract(epoch FROM current_setting('archive_timeout')::interval)::float8 AS closed_after_s,
       is_failing,
       kept_until IS NOT NULL AS is_position_known,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') - kept_until, 0)::bigint AS waiting_bytes,
       file_bytes
FROM (
    SELECT archiver.*, length.file_bytes,
           CASE WHEN name ~ '^[0-9A-F]{24}(\.[0-9A-F]{8}\.backup)?$'
                THEN ('x' || substr(name, 9, 8))::bit(32)::bigint * 4294967296
                     + (('x' || substr(name, 17, 8))::bit(32)::bigint
                        + CASE WHEN is_failing THEN 0 ELSE 1 END) * length.file_bytes
           END AS kept_until
    FROM (
        SELECT last_archived_time, stats_reset, failing.is_failing,
               CASE WHEN failing.is_failing THEN last_failed_wal ELSE last_archived_wal END AS name
        FROM pg_stat_archiver, LATERAL (
            SELECT coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL)
                AS is_failing
        ) AS failing
    ) AS archiver,
    (SELECT pg_size_bytes(current_setting('wal_segment_size')) AS file_bytes) AS length
) AS figures;
