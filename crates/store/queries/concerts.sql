-- Number 0 is the write probe's concert. Whatever lists or counts leaves it out: by `<>`, for which no
-- index looks as if it helped. Who names one concert never has that number but for the probe.

--: Concert(image_url?, description?)
--: Named()

--! find : Concert
-- One concert that isn't deleted. Primary key.
SELECT id, name, artist, date, venue, total_tickets, available_tickets, price, status, image_url,
       description, created_at, updated_at
FROM concerts
WHERE id = :id AND deleted_at IS NULL;

--! list (from?, until?, venue?, pattern?) : Concert
-- A page of one status in chronological order, after a place in that order.
-- idx_concerts_status; the pattern is matched against what the index left over.
SELECT id, name, artist, date, venue, total_tickets, available_tickets, price, status, image_url,
       description, created_at, updated_at
FROM concerts
WHERE status = :status
  AND deleted_at IS NULL AND id <> 0
  AND date >= coalesce(:from, '-infinity'::date)
  AND date <= coalesce(:until, 'infinity'::date)
  AND (:venue::text IS NULL OR venue = :venue)
  AND (:pattern::text IS NULL
       OR name ILIKE :pattern OR artist ILIKE :pattern OR venue ILIKE :pattern)
  AND (date, id) > (:after_date::date, :after_id::int)
ORDER BY date, id
LIMIT :limit;

--! list_all : Concert
-- A page of every concert that isn't deleted, by number, for exports. Primary key.
SELECT id, name, artist, date, venue, total_tickets, available_tickets, price, status, image_url,
       description, created_at, updated_at
FROM concerts
WHERE deleted_at IS NULL AND id > :after_id AND id <> 0
ORDER BY id
LIMIT :limit;

--! list_for_staff (status?, from?, until?, venue?, pattern?) : Concert
-- A page of one status or of all in chronological order; of those that are deleted or of the others.
-- Planned for the filters that are given: idx_concerts_status, or idx_concerts_date.
SELECT id, name, artist, date, venue, total_tickets, available_tickets, price, status, image_url,
       description, created_at, updated_at
FROM concerts
WHERE (deleted_at IS NOT NULL) = :is_deleted AND id <> 0
  AND (:status::text IS NULL OR status = :status)
  AND date >= coalesce(:from, '-infinity'::date)
  AND date <= coalesce(:until, 'infinity'::date)
  AND (:venue::text IS NULL OR venue = :venue)
  AND (:pattern::text IS NULL
       OR name ILIKE :pattern OR artist ILIKE :pattern OR venue ILIKE :pattern)
  AND (date, id) > (:after_date::date, :after_id::int)
ORDER BY date, id
LIMIT :limit;

--! list_by_ids : Concert
-- Those of them that are there, deleted ones included. Primary key.
SELECT id, name, artist, date, venue, total_tickets, available_tickets, price, status, image_url,
       description, created_at, updated_at
FROM concerts
WHERE id = ANY(:ids);

--! list_near : Named
-- The last concerts before a day and the next from it on, for who chooses one. idx_concerts_date, from
-- both sides.
(SELECT id, name, artist, date FROM concerts
 WHERE date < :day AND deleted_at IS NULL AND id <> 0
 ORDER BY date DESC, id DESC LIMIT :each)
UNION ALL
(SELECT id, name, artist, date FROM concerts
 WHERE date >= :day AND deleted_at IS NULL AND id <> 0
 ORDER BY date, id LIMIT :each)
ORDER BY date, id;

--! list_named : Named
-- Those with a part in "artist: name", the latest first. A name has no index: of ten thousand
-- concerts all are looked at, in idx_concerts_date's order.
SELECT id, name, artist, date FROM concerts
WHERE deleted_at IS NULL AND id <> 0 AND (artist || ': ' || name) ILIKE :pattern
ORDER BY date DESC, id DESC
LIMIT :limit;

--! list_names : Named
-- What those of them that are there are called, deleted ones included. Primary key.
SELECT id, name, artist, date FROM concerts
WHERE id = ANY(:ids);

--! list_cancelled
-- Those of them that were cancelled. Primary key, and staff_runs_concert_id_idx.
SELECT id FROM concerts WHERE id = ANY(:ids) AND id IN (SELECT list_cancelled_concerts(:ids));

--! list_venues
-- The venues of one status from a day on, for a filter. idx_concerts_status.
SELECT DISTINCT venue
FROM concerts
WHERE status = :status AND deleted_at IS NULL AND id <> 0 AND date >= :from
ORDER BY venue
LIMIT :limit;

--! list_months
-- The first days of the months with concerts of one status from a day on. idx_concerts_status.
SELECT DISTINCT date_trunc('month', date)::date AS month
FROM concerts
WHERE status = :status AND deleted_at IS NULL AND id <> 0 AND date >= :from
ORDER BY month
LIMIT :limit;

--! lock
-- The stock and the rules of one sale, under the row lock that decides it. Primary key.
SELECT available_tickets, price, status, date
FROM concerts
WHERE id = :id AND deleted_at IS NULL
FOR UPDATE;

--! lock_stock
-- Only the row lock, for giving tickets back; a deleted concert gets its tickets back too.
SELECT available_tickets FROM concerts WHERE id = :id FOR UPDATE;

--! lock_key
-- The lock that rows which refer to a concert take, for who inserts such a row and locks a reservation
-- by that: it waits for a sale's lock, and for nobody else's of its kind. Primary key.
SELECT id FROM concerts WHERE id = :id FOR KEY SHARE;

--! lock_whole : Concert
-- All of a concert that isn't deleted under its row lock, for who changes it. Primary key.
SELECT id, name, artist, date, venue, total_tickets, available_tickets, price, status, image_url,
       description, created_at, updated_at
FROM concerts
WHERE id = :id AND deleted_at IS NULL
FOR UPDATE;

--! update_details (image_url?, description?)
-- Primary key. The check constraint refuses more available tickets than there are.
UPDATE concerts
SET name = :name, artist = :artist, date = :date, venue = :venue, total_tickets = :total_tickets,
    available_tickets = :available_tickets, price = :price, image_url = :image_url,
    description = :description, updated_at = :now
WHERE id = :id;

--! update_status
-- Primary key.
UPDATE concerts SET status = :status, updated_at = :now WHERE id = :id;

--! delete
-- Only a mark, for reservations and the audit log speak of it. Primary key.
UPDATE concerts SET deleted_at = :now, updated_at = :now WHERE id = :id;

--! take_tickets
-- Primary key. The check constraint refuses to go below zero.
UPDATE concerts
SET available_tickets = available_tickets - :quantity, updated_at = :now
WHERE id = :id;

--! return_tickets
-- Primary key. The check constraint refuses to go above the total.
UPDATE concerts
SET available_tickets = available_tickets + :quantity, updated_at = :now
WHERE id = :id;

--! insert (image_url?, description?)
INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price, status,
                      image_url, description, created_at, updated_at)
VALUES (:name, :artist, :date, :venue, :total_tickets, :total_tickets, :price, :status,
        :image_url, :description, :now, :now)
RETURNING id;

--! exist
-- Whether there ever was a concert but the write probe's, deleted ones included.
SELECT EXISTS (SELECT 1 FROM concerts WHERE id <> 0) AS any_concert;

--! lock_import
-- Until the transaction ends nobody else imports concerts that mustn't be there yet.
SELECT true AS is_locked FROM pg_advisory_xact_lock(7164913);

--! list_existing
-- The places, from 1, of those that are concerts already. idx_concerts_date.
SELECT wanted.place
FROM unnest(:names::text[], :artists::text[], :dates::date[], :venues::text[])
     WITH ORDINALITY AS wanted (name, artist, date, venue, place)
WHERE EXISTS (
    SELECT FROM concerts c
    WHERE c.date = wanted.date AND c.name = wanted.name AND c.artist = wanted.artist
      AND c.venue = wanted.venue AND c.deleted_at IS NULL AND c.id <> 0)
ORDER BY wanted.place;
