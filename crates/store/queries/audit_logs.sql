--: Entry(user_id?, username?, record_id?, old_values?, new_values?, ip_address?, actor_kind?, actor?, request_id?)

--! list (of_table?, of_record?, of_user?, of_action?, from_at?, to_at?, before_at?, before_id?) : Entry
-- What happened, newest first, for an active admin. idx_audit_logs_created, or
-- audit_logs_record_id_idx for one record.
SELECT id, user_id, username, action, table_name, record_id, old_values, new_values, ip_address,
       created_at, actor_kind, actor, request_id
FROM list_audit_logs(:of_table, :of_record, :of_user, :of_action, :from_at, :to_at, :before_at,
                     :before_id, :rows_max);

--! log_export
-- That so many rows left, for which question.
SELECT log_export(:of_table, :asked::text::jsonb)::text AS nothing;

--! list_unsealed : Digest()
-- The next rows that no seal covers. audit_logs_tx_idx.
SELECT id, tx::text AS tx, digest, written_at FROM list_unsealed_audit_logs(:rows_max);

--! list_digests : StoredDigest(tx?)
-- A page of the log's digests. Primary key.
SELECT id, tx::text AS tx, digest FROM list_audit_digests(:after_id, :rows_max);

--! list_differences : Difference()
-- Concerts and reservations that stand otherwise than the log says.
SELECT table_name, record_id, by_log, by_table FROM list_audit_differences(:rows_max);
