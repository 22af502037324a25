--: Session(name?)

--! insert
INSERT INTO customer_sessions (token_digest, customer_id, is_google, created_at, expires_at)
VALUES (:token_digest, :customer_id, :is_google, :now, :expires_at);

--! find : Session
-- One that isn't over, with its account. Primary keys.
SELECT s.is_google, s.expires_at, c.id AS customer_id, c.email, c.name
FROM customer_sessions s
JOIN customers c ON c.id = s.customer_id
WHERE s.token_digest = :token_digest AND s.expires_at > :now;

--! delete
-- Primary key.
DELETE FROM customer_sessions WHERE token_digest = :token_digest;

--! delete_old
-- At most :limit of those that are over. customer_sessions_expires_at_idx.
DELETE FROM customer_sessions
WHERE token_digest IN (
    SELECT token_digest FROM customer_sessions WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit
);
