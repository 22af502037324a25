--! try_lock
-- Whether this transaction is the only one to do a task's work now; the lock ends with it.
SELECT pg_try_advisory_xact_lock(:key) AS is_locked;

--! find
-- When a task was last awake. Primary key.
SELECT beat_at FROM heartbeats WHERE task = :task;

--! lock
-- The same under the row lock, so that one server at a time beats. Primary key.
SELECT beat_at FROM heartbeats WHERE task = :task FOR UPDATE;

--! beat
-- A server whose clock is behind never takes back what another has written. Primary key.
INSERT INTO heartbeats (task, beat_at) VALUES (:task, :now)
ON CONFLICT (task) DO UPDATE SET beat_at = greatest(heartbeats.beat_at, excluded.beat_at);
