--: Failures(locked_until?)

--! find : Failures
-- Primary key.
SELECT subject_digest, failures, last_failed_at, locked_until
FROM sign_in_failures WHERE subject_digest = ANY(:subjects);

--! insert_missing
-- In the order of the digests, so that two attempts wait for each other and never in a circle.
-- Primary key.
INSERT INTO sign_in_failures (subject_digest, failures, last_failed_at)
SELECT subject, 0, :now FROM unnest(CAST(:subjects AS bytea[])) AS subject ORDER BY subject
ON CONFLICT (subject_digest) DO NOTHING;

--! lock : Failures
-- In the same order. Primary key.
SELECT subject_digest, failures, last_failed_at, locked_until
FROM sign_in_failures WHERE subject_digest = ANY(:subjects)
ORDER BY subject_digest FOR UPDATE;

--! upsert (locked_until?)
-- The row is locked, but may have been deleted before it was. Primary key.
INSERT INTO sign_in_failures (subject_digest, failures, last_failed_at, locked_until)
VALUES (:subject, :failures, :last_failed_at, :locked_until)
ON CONFLICT (subject_digest) DO UPDATE
SET failures = excluded.failures, last_failed_at = excluded.last_failed_at,
    locked_until = excluded.locked_until;

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
