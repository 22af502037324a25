--: TakenJob()
--: Oldest()

--! insert (dedup_key?)
-- JSON goes as text both ways: the generator's own reading of it panics on what it can't read.
-- A job that waits under the same key already is enough; then no row changes. Waits for a
-- transaction under way that has the key. jobs_task_dedup_key_idx.
INSERT INTO jobs (task, payload, dedup_key, run_at, attempts_max, created_at)
VALUES (:task, CAST(CAST(:payload AS text) AS jsonb), :dedup_key, :run_at, :attempts_max, :now)
ON CONFLICT (task, dedup_key) WHERE status = 'pending' DO NOTHING;

--! take : TakenJob
-- Leases up to :limit due jobs of :tasks, passing over those that another worker is taking.
-- Each task's own, so that the backlog of another is never read. jobs_task_run_at_idx.
-- MATERIALIZED: the rows must be chosen once, for choosing locks them.
WITH due AS MATERIALIZED (
    SELECT d.id
    FROM unnest(CAST(:tasks AS text[])) AS wanted (task)
    CROSS JOIN LATERAL (
        SELECT j.id, j.run_at FROM jobs j
        WHERE j.status = 'pending' AND j.task = wanted.task AND j.run_at <= :now
        ORDER BY j.run_at, j.id
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) d
    ORDER BY d.run_at, d.id
    LIMIT :limit
)
UPDATE jobs SET attempts = attempts + 1, run_at = :leased_until
FROM due
WHERE jobs.id = due.id
RETURNING jobs.id, jobs.task, CAST(jobs.payload AS text) AS payload, jobs.attempts, jobs.attempts_max;

--! exists_leased
-- Whether a worker has the job under this key just now. jobs_task_dedup_key_idx.
SELECT EXISTS (
    SELECT FROM jobs
    WHERE task = :task AND dedup_key = :dedup_key AND status = 'pending' AND attempts > 0
      AND run_at > :now AND run_at <= :leased_until
) AS is_leased;

--! update_done
-- No row changes when the lease ran out and somebody else has taken the job. Primary key.
UPDATE jobs SET status = 'done', finished_at = :now
WHERE id = :id AND attempts = :attempts AND status = 'pending';

--! update_retry
-- As update_done. Primary key.
UPDATE jobs SET run_at = :run_at, last_error = :error
WHERE id = :id AND attempts = :attempts AND status = 'pending';

--! update_again
-- As update_done, with a new job in its place, which has its key. Primary key; jobs_task_dedup_key_idx.
WITH done AS (
    UPDATE jobs SET status = 'done', finished_at = :now
    WHERE id = :id AND attempts = :attempts AND status = 'pending'
    RETURNING task, payload, dedup_key, attempts_max
)
INSERT INTO jobs (task, payload, dedup_key, run_at, attempts_max, created_at)
SELECT task, payload, dedup_key, :run_at, attempts_max, :now FROM done;

--! update_dead
-- As update_done. Primary key.
UPDATE jobs SET status = 'dead', finished_at = :now, last_error = :error
WHERE id = :id AND attempts = :attempts AND status = 'pending';

--! list_oldest : Oldest
-- Since when the longest waiting due job of each task has been due. jobs_task_run_at_idx.
SELECT wanted.task, d.run_at
FROM unnest(CAST(:tasks AS text[])) AS wanted (task)
CROSS JOIN LATERAL (
    SELECT j.run_at FROM jobs j
    WHERE j.status = 'pending' AND j.task = wanted.task AND j.run_at <= :now
    ORDER BY j.run_at
    LIMIT 1
) d;

--! count_dead
-- Jobs that were given up and not yet deleted. jobs_dead_idx.
SELECT count(*) AS dead FROM jobs WHERE status = 'dead';

--! delete_finished
-- At most :limit jobs that were done or given up long ago. jobs_finished_at_idx.
DELETE FROM jobs
WHERE id IN (
    SELECT id FROM jobs
    WHERE (status = 'done' AND finished_at <= :done_before)
       OR (status = 'dead' AND finished_at <= :dead_before)
    ORDER BY finished_at
    LIMIT :limit
);

--! try_lock
-- Whether this transaction is the only one that has the lock; it ends with the transaction.
SELECT pg_try_advisory_xact_lock(:key) AS is_locked;
