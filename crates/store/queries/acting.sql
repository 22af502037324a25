--! declare
-- On whose behalf the transaction runs from here on: row-level security and the audit log go by it.
SELECT set_config('stagedoor.actor_kind', :kind, true) AS kind,
       set_config('stagedoor.actor', :actor, true) AS actor,
       set_config('stagedoor.user_id', :user_id, true) AS user_id,
       set_config('stagedoor.address', :address, true) AS address,
       set_config('stagedoor.request_id', :request_id, true) AS request_id;

--! share_account
-- Until the transaction ends nobody ends the account's sessions. An advisory lock, because it has a
-- line: whoever comes behind one who wants to end them waits, where a row that many share one after
-- the other could never be changed.
SELECT true AS is_locked FROM pg_advisory_xact_lock_shared(7164911, :account);

--! hold_account
-- Until the transaction ends nobody acts in one of the account's sessions.
SELECT true AS is_locked FROM pg_advisory_xact_lock(7164911, :account);

--! find_authority
-- A session and the account that acts in it. Primary keys.
SELECT s.revoked_at IS NOT NULL AS is_revoked, u.role,
       u.is_active AND u.deleted_at IS NULL AS is_active
FROM admin_sessions s
JOIN admin_users u ON u.id = s.admin_user_id
WHERE s.token_digest = :token_digest;
