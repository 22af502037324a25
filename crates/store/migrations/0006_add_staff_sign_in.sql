-- What staff need to sign in: sessions, second factors, and how often an attempt failed.
-- Nothing here lets anybody sign in: tokens and recovery codes are kept as digests, the secret of
-- a second factor is encrypted with a key that is not in the database.
-- A server of the version before needs none of it.

CREATE TABLE admin_sessions (
    token_digest   BYTEA     NOT NULL,
    admin_user_id  INTEGER   NOT NULL,
    created_at     TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    last_used_at   TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP NOT NULL,
    revoked_at     TIMESTAMP,
    ip_address     VARCHAR(45),
    address_digest BYTEA     NOT NULL,
    CONSTRAINT admin_sessions_pkey PRIMARY KEY (token_digest),
    CONSTRAINT admin_sessions_admin_user_id_fkey
        FOREIGN KEY (admin_user_id) REFERENCES admin_users (id),
    CONSTRAINT admin_sessions_token_digest_check CHECK (octet_length(token_digest) = 32),
    CONSTRAINT admin_sessions_address_digest_check CHECK (octet_length(address_digest) = 32),
    CONSTRAINT admin_sessions_expires_at_check CHECK (expires_at > created_at)
);
COMMENT ON TABLE admin_sessions IS
    'Sessions of staff; kept for a month after their beginning, for an account isn''t locked for addresses where its owner signed in lately.';
COMMENT ON COLUMN admin_sessions.token_digest IS 'SHA-256 of the token, which nobody but its holder has';
COMMENT ON COLUMN admin_sessions.last_used_at IS 'to the minute; an idle session ends';
COMMENT ON COLUMN admin_sessions.expires_at IS 'ends then however busy it is';
COMMENT ON COLUMN admin_sessions.address_digest IS 'as sign_in_failures.subject_digest of the address';
-- All of an account's sessions, to revoke them, and where its owner signed in.
CREATE INDEX admin_sessions_admin_user_id_idx ON admin_sessions (admin_user_id, created_at);
-- Old sessions by age, for their deletion.
CREATE INDEX admin_sessions_created_at_idx ON admin_sessions (created_at);

CREATE TABLE admin_totp (
    admin_user_id INTEGER   NOT NULL,
    secret        BYTEA     NOT NULL,
    created_at    TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    confirmed_at  TIMESTAMP,
    last_step     BIGINT,
    CONSTRAINT admin_totp_pkey PRIMARY KEY (admin_user_id),
    CONSTRAINT admin_totp_admin_user_id_fkey FOREIGN KEY (admin_user_id) REFERENCES admin_users (id),
    CONSTRAINT admin_totp_secret_check CHECK (octet_length(secret) = 60),
    CONSTRAINT admin_totp_last_step_check CHECK (last_step >= 0)
);
COMMENT ON TABLE admin_totp IS 'Second factors (RFC 6238) of staff.';
COMMENT ON COLUMN admin_totp.secret IS
    'nonce, encrypted secret and tag of XChaCha20-Poly1305; the key is derived from STAGEDOOR_SECRET_KEY';
COMMENT ON COLUMN admin_totp.confirmed_at IS 'asked for at sign-in from then on';
COMMENT ON COLUMN admin_totp.last_step IS 'the last 30 seconds whose code was accepted, so that each counts once';

CREATE TABLE admin_recovery_codes (
    admin_user_id INTEGER   NOT NULL,
    code_digest   BYTEA     NOT NULL,
    created_at    TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    used_at       TIMESTAMP,
    CONSTRAINT admin_recovery_codes_pkey PRIMARY KEY (admin_user_id, code_digest),
    CONSTRAINT admin_recovery_codes_admin_user_id_fkey
        FOREIGN KEY (admin_user_id) REFERENCES admin_users (id),
    CONSTRAINT admin_recovery_codes_code_digest_check CHECK (octet_length(code_digest) = 32)
);
COMMENT ON TABLE admin_recovery_codes IS 'What opens an account once when its second factor is lost.';
COMMENT ON COLUMN admin_recovery_codes.code_digest IS 'SHA-256 of a code of 80 random bits';

CREATE TABLE sign_in_failures (
    subject_digest BYTEA     NOT NULL,
    failures       INTEGER   NOT NULL,
    last_failed_at TIMESTAMP NOT NULL,
    locked_until   TIMESTAMP,
    CONSTRAINT sign_in_failures_pkey PRIMARY KEY (subject_digest),
    CONSTRAINT sign_in_failures_subject_digest_check CHECK (octet_length(subject_digest) = 32),
    CONSTRAINT sign_in_failures_failures_check CHECK (failures >= 0)
) WITH (fillfactor = 50);
-- fillfactor 50: whoever guesses updates the same row again and again (HOT).
COMMENT ON TABLE sign_in_failures IS
    'Failed sign-ins of an account''s name or of an address, deleted a day after the last one.';
COMMENT ON COLUMN sign_in_failures.subject_digest IS
    'SHA-256 of the name as typed, known or not, or of the address (of IPv6 its first 64 bits)';

-- The only way for the server's login to a password hash: one name at a time. Privileges on the
-- column itself it has none, so that no other statement can give the hashes away.
CREATE FUNCTION find_admin_credentials(wanted_username text)
RETURNS TABLE (id integer, password_hash text, role text, is_active boolean, deleted_at timestamp)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.id, u.password, u.role, u.is_active, u.deleted_at
    FROM public.admin_users u
    WHERE u.username = wanted_username
$$;
REVOKE ALL ON FUNCTION find_admin_credentials(text) FROM PUBLIC;
