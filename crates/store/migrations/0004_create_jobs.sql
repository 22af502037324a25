-- Work that must happen because something was committed: mail, refunds, calls to others.
-- A job is written in the transaction that makes it necessary, so both happen or neither does.
-- A table of ours instead of a library's: see docs/decisions/0005-own-table-of-jobs.md.

CREATE TABLE jobs (
    id           BIGINT GENERATED ALWAYS AS IDENTITY,
    task         VARCHAR(64)  NOT NULL,
    payload      JSONB        NOT NULL,
    dedup_key    VARCHAR(255),
    status       VARCHAR(16)  NOT NULL DEFAULT 'pending',
    run_at       TIMESTAMP    NOT NULL,
    attempts     INTEGER      NOT NULL DEFAULT 0,
    attempts_max INTEGER      NOT NULL,
    last_error   VARCHAR(500),
    created_at   TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    finished_at  TIMESTAMP,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_task_check CHECK (task <> ''),
    CONSTRAINT jobs_dedup_key_check CHECK (dedup_key <> ''),
    CONSTRAINT jobs_status_check CHECK (status IN ('pending', 'done', 'dead')),
    CONSTRAINT jobs_attempts_check CHECK (attempts >= 0),
    CONSTRAINT jobs_attempts_max_check CHECK (attempts_max > 0),
    CONSTRAINT jobs_finished_at_check CHECK ((finished_at IS NOT NULL) = (status IN ('done', 'dead')))
);
COMMENT ON TABLE jobs IS
    'Effects that wait for a worker, and what became of them; finished ones are deleted by age.';
COMMENT ON COLUMN jobs.payload IS 'names rows by their ids; no personal data, no secrets';
COMMENT ON COLUMN jobs.dedup_key IS 'while a job is pending, a second one of its task and key is none';
COMMENT ON COLUMN jobs.status IS 'dead: given up; its error says why';
COMMENT ON COLUMN jobs.run_at IS 'not before; while a worker has the job, the end of its lease';
COMMENT ON COLUMN jobs.attempts IS 'attempts begun; also tells the worker that has the lease from one that lost it';
COMMENT ON COLUMN jobs.last_error IS 'why the last attempt failed, in words for operators';

-- What is due, the longest waiting first.
CREATE INDEX jobs_run_at_idx ON jobs (run_at, id) WHERE status = 'pending';
-- One pending job for each key.
CREATE UNIQUE INDEX jobs_task_dedup_key_idx ON jobs (task, dedup_key) WHERE status = 'pending';
-- Finished jobs by age, for their deletion.
CREATE INDEX jobs_finished_at_idx ON jobs (finished_at) WHERE finished_at IS NOT NULL;
