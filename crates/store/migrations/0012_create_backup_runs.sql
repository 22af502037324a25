-- What became of each backup, check and restore drill. pgBackRest runs on the database's machine and
-- may reach repositories that the server may not; the server's metrics and `doctor` must still tell
-- how old the newest backup is and whether it could be restored. So whoever runs one writes down here
-- how it ended.

CREATE TABLE backup_runs (
    id          BIGINT GENERATED ALWAYS AS IDENTITY,
    kind        VARCHAR(16)  NOT NULL,
    repo        INTEGER,
    label       VARCHAR(64),
    started_at  TIMESTAMP    NOT NULL,
    finished_at TIMESTAMP    NOT NULL,
    is_ok       BOOLEAN      NOT NULL,
    detail      VARCHAR(500) NOT NULL DEFAULT '',
    created_at  TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT backup_runs_pkey PRIMARY KEY (id),
    CONSTRAINT backup_runs_kind_check CHECK (kind IN ('full', 'diff', 'incr', 'check', 'drill')),
    CONSTRAINT backup_runs_repo_check CHECK (repo > 0),
    CONSTRAINT backup_runs_label_check CHECK (label <> ''),
    CONSTRAINT backup_runs_finished_at_check CHECK (finished_at >= started_at)
);
COMMENT ON TABLE backup_runs IS
    'Backups, checks of them and restore drills, as whoever ran them wrote down; some rows a day.';
COMMENT ON COLUMN backup_runs.repo IS 'the number of the repository in pgBackRest''s configuration';
COMMENT ON COLUMN backup_runs.label IS 'pgBackRest''s name of the backup that was made or restored';
COMMENT ON COLUMN backup_runs.detail IS 'why it failed, in words for operators';

-- The last success of each kind in each repository.
CREATE INDEX backup_runs_kind_repo_finished_at_idx ON backup_runs (kind, repo, finished_at)
    WHERE is_ok;
