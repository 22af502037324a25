--: Entry(user_id?, username?, record_id?, old_values?, new_values?, ip_address?, actor_kind?, actor?, request_id?)

--! list (of_table?, of_record?, of_user?, of_action?, from_at?, to_at?, before_at?, before_id?) : Entry
-- What happened, newest first, for an active admin. idx_audit_logs_created, audit_logs_record_id_idx
-- for one record, or audit_logs_concerts_idx.
SELECT id, user_id, username, action, table_name, record_id, old_values, new_values, ip_address,
       created_at, actor_kind, actor, request_id
FROM list_audit_logs(:of_table, :of_record, :of_user, :of_action, :from_at, :to_at, :before_at,
                     :before_id, :rows_max, :by_people);

--! find_last_edit
-- Who last changed one of these columns of a concert, and when, for an active admin: among its newest
-- changes, most of which sales make. audit_logs_record_id_idx.
SELECT username, created_at
FROM list_audit_logs('concerts', :of_record, NULL, 'UPDATE', NULL, NULL, NULL, NULL, :rows_max, false)
WHERE user_id IS NOT NULL AND jsonb_exists_any(new_values::jsonb, :columns::text[])
ORDER BY created_at DESC, id DESC
LIMIT 1;

--! log_export
-- That so many rows left, for which question.
SELECT log_export(:of_table, :asked::text::jsonb)::text AS nothing;

--! log_unlock
-- That failed sign-ins were forgotten, and whose.
SELECT log_unlock(:asked::text::jsonb)::text AS nothing;

--! list_unsealed : Digest()
-- The next rows that no seal covers. audit_logs_tx_idx.
SELECT id, tx::text AS tx, digest, written_at FROM list_unsealed_audit_logs(:rows_max);

--! list_digests : StoredDigest(tx?)
-- A page of the log's digests. Primary key.
SELECT id, tx::text AS tx, digest FROM list_audit_digests(:after_id, :rows_max);

--! find_unsealed : (written_at?, age_seconds?)
-- The oldest row that no seal covers, and its age by the database's clock. audit_logs_tx_idx.
SELECT written_at,
       CAST(extract(epoch FROM (now() AT TIME ZONE 'utc') - written_at) AS double precision)
           AS age_seconds
FROM find_unsealed_audit_log() AS written_at;

--! list_changes : Change()
-- A page of the changes by record, as numbers that stand for values. audit_logs_record_id_idx.
SELECT id, table_name, record_id, is_new, old_columns, old_hashes, new_columns, new_hashes, is_lost,
       standing_columns, standing_hashes
FROM list_audit_changes(:after_record, :after_id, :seed, :rows_max);

--! list_record_changes : Change()
-- The same of one record alone. audit_logs_record_id_idx.
SELECT id, table_name, record_id, is_new, old_columns, old_hashes, new_columns, new_hashes, is_lost,
       standing_columns, standing_hashes
FROM list_record_changes(:of_table, :of_record, :after_id, :seed, :rows_max);

--! list_untold_accounts
-- Staff accounts whose making isn't in the log. A handful of rows, audit_logs_record_id_idx.
SELECT id FROM list_untold_accounts();

--! list_concert_entries : ConcertEntry(by_log?)
-- A page of concerts with their tickets by the log and by the table. Primary key,
-- audit_logs_record_id_idx.
SELECT id, by_log, by_table FROM list_concert_entries(:after_id, :rows_max);

--! list_reservation_entries : ReservationEntry(by_log?)
-- The same of reservations and how they stand.
SELECT id, by_log, by_table FROM list_reservation_entries(:after_id, :rows_max);
