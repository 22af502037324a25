--: Link()

--! lock_email
-- Whoever else asks for a link to this address waits, so that counting is exact.
SELECT pg_advisory_xact_lock(1818848875, hashtext(:email)) IS NULL AS is_locked;

--! count_since
-- customer_links_email_idx.
SELECT count(*) FROM customer_links WHERE email = :email AND created_at > :since;

--! insert
INSERT INTO customer_links (mail_id, token_digest, email, return_to, created_at, expires_at)
VALUES (:mail_id, :token_digest, :email, :return_to, :now, :expires_at);

--! find_by_mail : Link
-- What a mail's link is for. Primary key.
SELECT email, return_to, expires_at, token_digest FROM customer_links WHERE mail_id = :mail_id;

--! find : Link
-- One that can still be used. customer_links_token_digest_key.
SELECT email, return_to, expires_at, token_digest
FROM customer_links
WHERE token_digest = :token_digest AND used_at IS NULL AND expires_at > :now;

--! take : Link
-- Uses one up: of many at once, one gets it. customer_links_token_digest_key.
UPDATE customer_links SET used_at = :now
WHERE token_digest = :token_digest AND used_at IS NULL AND expires_at > :now
RETURNING email, return_to, expires_at, token_digest;

--! delete_old
-- At most :limit of those that were made before. customer_links_created_at_idx.
DELETE FROM customer_links
WHERE mail_id IN (
    SELECT mail_id FROM customer_links WHERE created_at <= :before ORDER BY created_at LIMIT :limit
);
