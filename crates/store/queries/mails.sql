--: Mail(reservation_id?, sent_at?, last_error?)

--! insert (reservation_id?)
INSERT INTO mails (id, kind, language, recipient, reservation_id, message_id, created_at, updated_at)
VALUES (:id, :kind, :language, :recipient, :reservation_id, :message_id, :now, :now);

--! find : Mail
-- Primary key.
SELECT id, kind, language, recipient, reservation_id, message_id, status, sent_at, last_error,
       created_at
FROM mails
WHERE id = :id;

--! lock : Mail
-- Primary key.
SELECT id, kind, language, recipient, reservation_id, message_id, status, sent_at, last_error,
       created_at
FROM mails
WHERE id = :id
FOR UPDATE;

--! list (of_status?, before_at?, before_id?) : Mail
-- A page for staff, newest first, behind one of them. mails_status_idx, or mails_created_at_idx where
-- every status is wanted.
SELECT id, kind, language, recipient, reservation_id, message_id, status, sent_at, last_error,
       created_at
FROM mails
WHERE (:of_status::text IS NULL OR status = :of_status)
  AND (created_at, id) < (coalesce(:before_at, 'infinity'::timestamp), coalesce(:before_id, ''))
ORDER BY created_at DESC, id DESC
LIMIT :limit;

--! list_of_reservation : Mail
-- The newest first. mails_reservation_id_idx.
SELECT id, kind, language, recipient, reservation_id, message_id, status, sent_at, last_error,
       created_at
FROM mails
WHERE reservation_id = :reservation_id
ORDER BY created_at DESC, id DESC
LIMIT 100;

--! list_written
-- The newest that left or would have, to one address or to all; for development, where the table is
-- small. mails_created_at_idx.
SELECT id FROM mails
WHERE status IN ('sent', 'kept') AND (:recipient = '' OR recipient = :recipient)
ORDER BY created_at DESC, id DESC
LIMIT :limit;

--! find_language
-- The language of the newest mail about a reservation. mails_reservation_id_idx.
SELECT language FROM mails
WHERE reservation_id = :reservation_id
ORDER BY created_at DESC, id DESC
LIMIT 1;

--! find_recent : (oldest_at?, newest_at?)
-- How many mails of a kind were written about a reservation since then, and when. mails_reservation_id_idx.
SELECT count(*) AS mails, min(created_at) AS oldest_at, max(created_at) AS newest_at
FROM mails
WHERE reservation_id = :reservation_id AND kind = :kind AND created_at > :since;

--! update_ended (sent_at?, last_error?)
-- No row changes when somebody else has ended it. Primary key.
UPDATE mails
SET status = :status, sent_at = :sent_at, last_error = :last_error, updated_at = :now
WHERE id = :id AND status = 'pending';

--! update_error
-- The same of an attempt after which there will be another one. Primary key.
UPDATE mails SET last_error = :last_error, updated_at = :now WHERE id = :id AND status = 'pending';

--! update_pending
-- One that was given up waits to be sent again. Primary key.
UPDATE mails SET status = 'pending', updated_at = :now WHERE id = :id AND status = 'dead';

--! update_orphaned
-- Gives up at most :limit mails that nothing will send any more, because their job was given up: its
-- worker died in the last attempt. A mail and its job are written, and tried again, in one transaction,
-- so that a mail that waits has a job that waits. mails_status_idx;
-- jobs_task_run_at_idx.
UPDATE mails SET status = 'dead', last_error = :last_error, updated_at = :now
WHERE id IN (
    SELECT m.id FROM mails m
    WHERE m.status = 'pending'
      AND NOT EXISTS (
          SELECT FROM jobs j
          WHERE j.status = 'pending' AND j.payload ->> 'mail' = m.id)
    ORDER BY m.created_at
    LIMIT :limit
);

--! delete_old
-- At most :limit mails that were made long ago. mails_created_at_idx.
DELETE FROM mails
WHERE id IN (
    SELECT id FROM mails
    WHERE created_at <= :made_before AND status <> 'pending'
    ORDER BY created_at
    LIMIT :limit
);
