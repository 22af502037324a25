--! declare
-- On whose behalf the transaction runs from here on: row-level security and the audit log go by it.
SELECT set_config('stagedoor.actor_kind', :kind, true) AS kind,
       set_config('stagedoor.actor', :actor, true) AS actor,
       set_config('stagedoor.user_id', :user_id, true) AS user_id,
       set_config('stagedoor.address', :address, true) AS address,
       set_config('stagedoor.request_id', :request_id, true) AS request_id;
