--! try_lock
-- Whether this transaction is the only one that seals now; the lock ends with it.
SELECT pg_try_advisory_xact_lock(7164908) AS is_locked;

--! find_last_mac
-- What the next seal is chained to. Primary key.
SELECT id, mac FROM audit_seals ORDER BY id DESC LIMIT 1;

--! find_mac
-- Of one seal, if it is there. Primary key.
SELECT id, mac FROM audit_seals WHERE id = :id;

--! insert (key_id?)
INSERT INTO audit_seals (cluster_id, until_tx, until_id, row_ids, digests, mac, sealed_at, key_id)
VALUES (:cluster_id, :until_tx::text::xid8, :until_id, :row_ids, :digests, :mac, :sealed_at, :key_id)
RETURNING id;

--! cluster
-- Whose transactions are counted.
SELECT system_identifier AS cluster_id FROM pg_control_system();

--! find_next_tx
-- The number of the next transaction: no row of this cluster has it yet.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS tx;

--! list : Sealed(key_id?)
-- The seals in order, behind one. Primary key.
SELECT id, cluster_id, until_tx::text AS until_tx, until_id, row_ids, digests, mac, key_id
FROM audit_seals WHERE id > :after_id ORDER BY id LIMIT :rows_max;
