--! upsert
-- The one row: whoever starts last has the token that counts. Primary key.
INSERT INTO admin_setup (is_only, token_digest, created_at, expires_at)
VALUES (true, :token_digest, :now, :expires_at)
ON CONFLICT (is_only) DO UPDATE
SET token_digest = excluded.token_digest, created_at = excluded.created_at,
    expires_at = excluded.expires_at;

--! is_open
-- Whether this token still makes the first superadmin. A handful of rows.
SELECT EXISTS (
    SELECT 1 FROM admin_setup WHERE token_digest = :token_digest AND expires_at > :now
) AND NOT EXISTS (
    SELECT 1 FROM admin_users WHERE role = 'superadmin' AND is_active AND deleted_at IS NULL
) AS is_open;

--! delete
-- Spends the token; of two who do at once the second one waits and finds none. Primary key.
DELETE FROM admin_setup WHERE token_digest = :token_digest AND expires_at > :now;
