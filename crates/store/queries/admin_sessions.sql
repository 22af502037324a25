--: Session(last_login?)

--! insert (ip_address?)
INSERT INTO admin_sessions (token_digest, admin_user_id, created_at, last_used_at, expires_at,
                            ip_address, address_digest)
VALUES (:token_digest, :admin_user_id, :now, :now, :expires_at, :ip_address, :address_digest);

--! find : Session
-- One that wasn't revoked, of an account that may sign in. Primary keys.
SELECT s.last_used_at, s.expires_at,
       u.id, u.username, u.email, u.role, u.is_active, u.last_login, u.created_at, u.updated_at,
       EXISTS (SELECT 1 FROM admin_totp t
               WHERE t.admin_user_id = u.id AND t.confirmed_at IS NOT NULL) AS has_totp
FROM admin_sessions s
JOIN admin_users u ON u.id = s.admin_user_id
WHERE s.token_digest = :token_digest AND s.revoked_at IS NULL
  AND u.is_active AND u.deleted_at IS NULL;

--! update_last_used
-- A server whose clock is behind takes nothing back. Primary key.
UPDATE admin_sessions SET last_used_at = :now
WHERE token_digest = :token_digest AND last_used_at < :now;

--! revoke
-- Primary key.
UPDATE admin_sessions SET revoked_at = :now
WHERE token_digest = :token_digest AND revoked_at IS NULL;

--! revoke_all
-- admin_sessions_admin_user_id_idx.
UPDATE admin_sessions SET revoked_at = :now
WHERE admin_user_id = :admin_user_id AND revoked_at IS NULL AND expires_at > :now;

--! revoke_others
-- admin_sessions_admin_user_id_idx.
UPDATE admin_sessions SET revoked_at = :now
WHERE admin_user_id = :admin_user_id AND token_digest <> :kept AND revoked_at IS NULL
  AND expires_at > :now;

--! list_addresses
-- Where an account's owner signed in since then. admin_sessions_admin_user_id_idx.
SELECT DISTINCT address_digest FROM admin_sessions
WHERE admin_user_id = :admin_user_id AND created_at > :since;

--! is_address_known
-- Whether an account's owner signed in from an address since then. admin_users_username_key,
-- admin_sessions_admin_user_id_idx.
SELECT EXISTS (
    SELECT 1
    FROM admin_sessions s
    JOIN admin_users u ON u.id = s.admin_user_id
    WHERE u.username = :username AND s.address_digest = :address_digest AND s.created_at > :since
) AS is_known;

--! delete_old
-- At most :limit of those that began before. admin_sessions_created_at_idx.
DELETE FROM admin_sessions
WHERE token_digest IN (
    SELECT token_digest FROM admin_sessions WHERE created_at <= :before ORDER BY created_at LIMIT :limit
);
