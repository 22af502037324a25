-- A worker takes due jobs task by task, so that it doesn't read the backlog of one to find none of another.
-- A server of the version before still works, and reads all that is pending to take what is due.

CREATE INDEX jobs_task_run_at_idx ON jobs (task, run_at, id) WHERE status = 'pending';
DROP INDEX jobs_run_at_idx;
