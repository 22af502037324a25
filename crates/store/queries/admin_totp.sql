--: Totp(confirmed_at?, last_step?)

--! lock : Totp
-- Primary key.
SELECT secret, created_at, confirmed_at, last_step FROM admin_totp
WHERE admin_user_id = :admin_user_id FOR UPDATE;

--! upsert_unconfirmed
-- A secret that is in use stays; then no row changes. Primary key.
INSERT INTO admin_totp (admin_user_id, secret, created_at)
VALUES (:admin_user_id, :secret, :now)
ON CONFLICT (admin_user_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at
WHERE admin_totp.confirmed_at IS NULL;

--! update_confirmed
-- Primary key.
UPDATE admin_totp SET confirmed_at = :now, last_step = :step WHERE admin_user_id = :admin_user_id;

--! update_last_step
-- Primary key.
UPDATE admin_totp SET last_step = :step WHERE admin_user_id = :admin_user_id;

--! update_encrypted
-- Primary key.
UPDATE admin_totp SET secret = :secret WHERE admin_user_id = :admin_user_id;

--! delete
-- Primary key.
DELETE FROM admin_totp WHERE admin_user_id = :admin_user_id;

--! insert_recovery_codes
INSERT INTO admin_recovery_codes (admin_user_id, code_digest, created_at)
SELECT :admin_user_id, digest, :now FROM unnest(CAST(:digests AS bytea[])) AS digest;

--! use_recovery_code
-- No row changes when there is no such code or it was used. Primary key.
UPDATE admin_recovery_codes SET used_at = :now
WHERE admin_user_id = :admin_user_id AND code_digest = :code_digest AND used_at IS NULL;

--! delete_recovery_codes
-- Primary key.
DELETE FROM admin_recovery_codes WHERE admin_user_id = :admin_user_id;
