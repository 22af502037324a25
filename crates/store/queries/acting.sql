--! declare
-- On whose behalf the transaction runs from here on: row-level security and the audit log go by it.
SELECT set_config('stagedoor.actor_kind', :kind, true) AS kind,
       set_config('stagedoor.actor', :actor, true) AS actor,
       set_config('stagedoor.user_id', :user_id, true) AS user_id,
       set_config('stagedoor.address', :address, true) AS address,
       set_config('stagedoor.request_id', :request_id, true) AS request_id;

--! lock_authority
-- A session and the account that acts in it. The session's row is locked until the transaction ends,
-- so that revoking it comes before or after what is done in it, never between. Primary keys.
SELECT s.revoked_at IS NOT NULL AS is_revoked, u.role,
       u.is_active AND u.deleted_at IS NULL AS is_active
FROM admin_sessions s
JOIN admin_users u ON u.id = s.admin_user_id
WHERE s.token_digest = :token_digest
FOR SHARE OF s;
