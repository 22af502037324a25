-- A look at the archived log alone is every quarter of an hour, and a whole check is every night: what
-- the one has found must not stand until the other, and what the other has found is not made good by
-- the one. So the look is a kind of its own. And a repository that was taken out of pgBackRest's
-- configuration must not be missed for a month: who makes backups writes down which there are.
-- An older server passes over kinds that it doesn't know.

ALTER TABLE backup_runs
    DROP CONSTRAINT backup_runs_kind_check,
    ADD CONSTRAINT backup_runs_kind_check
        CHECK (kind IN ('full', 'diff', 'incr', 'check', 'log', 'drill', 'known'));
COMMENT ON TABLE backup_runs IS
    'Backups, checks of them and restore drills, as whoever ran them wrote down; a hundred rows a day.';
COMMENT ON COLUMN backup_runs.kind IS
    'known: pgBackRest''s configuration has it; one whose rows are all older isn''t there any more';
