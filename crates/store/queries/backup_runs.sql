--! insert (repo?, label?)
-- As stagedoor_backup, which may do nothing else; therefore nothing is returned.
INSERT INTO backup_runs (kind, repo, label, started_at, finished_at, is_ok, detail)
VALUES (:kind, :repo, :label, :started_at, :finished_at, :is_ok, :detail);

--! list_last : (repo?)
-- The last success of each kind in each repository. backup_runs_kind_repo_finished_at_idx.
SELECT DISTINCT ON (kind, repo) kind, repo, started_at, finished_at
FROM backup_runs
WHERE is_ok
ORDER BY kind, repo, finished_at DESC;

--! find_archiving
-- Whether the primary's log is kept, how long ago a file of it last was (since its figures began,
-- where none was yet), and whether keeping the next one fails. Of PostgreSQL's own, without an index.
SELECT current_setting('archive_mode') <> 'off' AS is_on,
       extract(epoch FROM clock_timestamp() - coalesce(last_archived_time, stats_reset))::float8
           AS age_s,
       coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL) AS is_failing
FROM pg_stat_archiver;
