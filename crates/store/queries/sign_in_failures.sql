--: Failures(locked_until?)

--! find : Failures
-- Primary key.
SELECT subject_digest, failures, last_failed_at, locked_until
FROM sign_in_failures WHERE subject_digest = ANY(:subjects);

--! lock
-- Makes rows that are missing and locks the others, for a row is locked although its update is not
-- wanted. In one pass, in the order of the digests, each once, so that two attempts wait for each
-- other and never in a circle, whatever is deleted meanwhile. Primary key.
INSERT INTO sign_in_failures (subject_digest, failures, last_failed_at)
SELECT subject, 0, :now
FROM (SELECT DISTINCT unnest(CAST(:subjects AS bytea[])) AS subject) AS subjects
ORDER BY subject
ON CONFLICT (subject_digest) DO UPDATE SET failures = excluded.failures WHERE false;

--! update (locked_until?)
-- Of a row that is locked. Primary key.
UPDATE sign_in_failures
SET failures = :failures, last_failed_at = :last_failed_at, locked_until = :locked_until
WHERE subject_digest = :subject;

--! delete
-- In the same order as they are locked. Primary key.
DELETE FROM sign_in_failures
WHERE subject_digest IN (
    SELECT subject_digest FROM sign_in_failures WHERE subject_digest = ANY(:subjects)
    ORDER BY subject_digest FOR UPDATE
);

--! delete_all
-- The same for the whole table, at the command line alone.
DELETE FROM sign_in_failures
WHERE subject_digest IN (
    SELECT subject_digest FROM sign_in_failures ORDER BY subject_digest FOR UPDATE
);

--! delete_old
-- At most :limit whose last failure is before. Reads the table, which its hourly deletion keeps
-- small.
DELETE FROM sign_in_failures
WHERE subject_digest IN (
    SELECT subject_digest FROM sign_in_failures WHERE last_failed_at <= :before LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
