-- What customers need to sign in: their accounts, the identities that a provider vouches for,
-- sessions, one-time links by mail, and sign-ins that wait for the provider.
-- Nothing here lets anybody sign in: tokens are kept as digests, and a link's token can only be made
-- with a key that is not in the database.
-- A server of the version before needs none of it.

CREATE TABLE customers (
    id         BIGINT       GENERATED ALWAYS AS IDENTITY,
    email      VARCHAR(255) NOT NULL,
    name       VARCHAR(255),
    created_at TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT customers_pkey PRIMARY KEY (id),
    CONSTRAINT customers_email_key UNIQUE (email),
    CONSTRAINT customers_email_check CHECK (email = lower(email) AND email <> '')
);
COMMENT ON TABLE customers IS
    'Customers who have signed in; what they booked hangs on the address, not on this row.';
COMMENT ON COLUMN customers.name IS 'as the provider tells it, or as they last booked';

CREATE TABLE customer_identities (
    id          BIGINT       GENERATED ALWAYS AS IDENTITY,
    customer_id BIGINT       NOT NULL,
    issuer      VARCHAR(255) NOT NULL,
    subject     VARCHAR(255) NOT NULL,
    created_at  TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    updated_at  TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    CONSTRAINT customer_identities_pkey PRIMARY KEY (id),
    CONSTRAINT customer_identities_issuer_subject_key UNIQUE (issuer, subject),
    CONSTRAINT customer_identities_customer_id_fkey
        FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE,
    CONSTRAINT customer_identities_issuer_check CHECK (issuer <> ''),
    CONSTRAINT customer_identities_subject_check CHECK (subject <> '')
);
COMMENT ON TABLE customer_identities IS
    'Who a provider (OpenID Connect) says somebody is: issuer and subject, which never change.';
COMMENT ON COLUMN customer_identities.customer_id IS
    'the account of the address that the provider verified last';
-- An account's identities, to forget them with it.
CREATE INDEX customer_identities_customer_id_idx ON customer_identities (customer_id);

CREATE TABLE customer_sessions (
    token_digest BYTEA     NOT NULL,
    customer_id  BIGINT    NOT NULL,
    is_google    BOOLEAN   NOT NULL,
    created_at   TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    expires_at   TIMESTAMP NOT NULL,
    CONSTRAINT customer_sessions_pkey PRIMARY KEY (token_digest),
    CONSTRAINT customer_sessions_customer_id_fkey
        FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE,
    CONSTRAINT customer_sessions_token_digest_check CHECK (octet_length(token_digest) = 32),
    CONSTRAINT customer_sessions_expires_at_check CHECK (expires_at > created_at)
);
COMMENT ON TABLE customer_sessions IS 'Sessions of customers; deleted when they sign out.';
COMMENT ON COLUMN customer_sessions.token_digest IS
    'SHA-256 of the token, which nobody but its browser has';
COMMENT ON COLUMN customer_sessions.is_google IS 'whether it began at the provider, not by a mail';
-- All of an account's sessions, to end them.
CREATE INDEX customer_sessions_customer_id_idx ON customer_sessions (customer_id);
-- Those that are over, for their deletion.
CREATE INDEX customer_sessions_expires_at_idx ON customer_sessions (expires_at);

CREATE TABLE customer_links (
    mail_id      VARCHAR(50)  NOT NULL,
    token_digest BYTEA        NOT NULL,
    email        VARCHAR(255) NOT NULL,
    return_to    VARCHAR(255) NOT NULL,
    created_at   TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    expires_at   TIMESTAMP    NOT NULL,
    used_at      TIMESTAMP,
    CONSTRAINT customer_links_pkey PRIMARY KEY (mail_id),
    CONSTRAINT customer_links_token_digest_key UNIQUE (token_digest),
    CONSTRAINT customer_links_mail_id_fkey
        FOREIGN KEY (mail_id) REFERENCES mails (id) ON DELETE CASCADE,
    CONSTRAINT customer_links_token_digest_check CHECK (octet_length(token_digest) = 32),
    CONSTRAINT customer_links_expires_at_check CHECK (expires_at > created_at)
);
COMMENT ON TABLE customer_links IS
    'Links by mail that sign somebody in once; deleted a day after they were made.';
COMMENT ON COLUMN customer_links.token_digest IS
    'SHA-256 of the token, which is an HMAC of mail_id under a key that is not here';
COMMENT ON COLUMN customer_links.return_to IS 'the path of ours that they wanted';
-- How many an address got lately.
CREATE INDEX customer_links_email_idx ON customer_links (email, created_at);
-- Old ones, for their deletion.
CREATE INDEX customer_links_created_at_idx ON customer_links (created_at);

CREATE TABLE customer_sign_ins (
    state_digest   BYTEA        NOT NULL,
    browser_digest BYTEA        NOT NULL,
    nonce          VARCHAR(64)  NOT NULL,
    pkce_verifier  VARCHAR(128) NOT NULL,
    return_to      VARCHAR(255) NOT NULL,
    language       VARCHAR(8)   NOT NULL,
    created_at     TIMESTAMP    NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
    expires_at     TIMESTAMP    NOT NULL,
    CONSTRAINT customer_sign_ins_pkey PRIMARY KEY (state_digest),
    CONSTRAINT customer_sign_ins_state_digest_check CHECK (octet_length(state_digest) = 32),
    CONSTRAINT customer_sign_ins_browser_digest_check CHECK (octet_length(browser_digest) = 32),
    CONSTRAINT customer_sign_ins_expires_at_check CHECK (expires_at > created_at)
);
COMMENT ON TABLE customer_sign_ins IS
    'Sign-ins that wait for the provider''s answer, for some minutes; deleted when it comes.';
COMMENT ON COLUMN customer_sign_ins.state_digest IS 'SHA-256 of the state that the provider gives back';
COMMENT ON COLUMN customer_sign_ins.browser_digest IS
    'SHA-256 of what the browser''s cookie has, so that no other browser can end it';
COMMENT ON COLUMN customer_sign_ins.pkce_verifier IS 'of no use without the provider''s code';
-- Those that nobody came back from, for their deletion.
CREATE INDEX customer_sign_ins_expires_at_idx ON customer_sign_ins (expires_at);

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY customers_owner ON customers TO stagedoor_owner USING (true) WITH CHECK (true);
CREATE POLICY customers_report ON customers FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY customers_app ON customers TO stagedoor_app USING (
    CASE (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        WHEN 'customer' THEN email = (SELECT nullif(current_setting('stagedoor.actor', true), ''))
        WHEN 'system' THEN true
        WHEN 'job' THEN true
        WHEN 'cli' THEN true
        ELSE false
    END
);

ALTER TABLE customer_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY customer_identities_owner ON customer_identities TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY customer_identities_report ON customer_identities FOR SELECT TO stagedoor_report
    USING (true);
CREATE POLICY customer_identities_app ON customer_identities TO stagedoor_app USING (
    CASE (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        WHEN 'customer' THEN EXISTS (
            SELECT FROM customers c
            WHERE c.id = customer_id
              AND c.email = (SELECT nullif(current_setting('stagedoor.actor', true), '')))
        WHEN 'system' THEN true
        WHEN 'job' THEN true
        WHEN 'cli' THEN true
        ELSE false
    END
);

ALTER TABLE customer_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY customer_sessions_owner ON customer_sessions TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY customer_sessions_report ON customer_sessions FOR SELECT TO stagedoor_report
    USING (true);
CREATE POLICY customer_sessions_app ON customer_sessions TO stagedoor_app USING (
    CASE (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        WHEN 'customer' THEN EXISTS (
            SELECT FROM customers c
            WHERE c.id = customer_id
              AND c.email = (SELECT nullif(current_setting('stagedoor.actor', true), '')))
        WHEN 'system' THEN true
        WHEN 'job' THEN true
        WHEN 'cli' THEN true
        ELSE false
    END
);

ALTER TABLE customer_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_links FORCE ROW LEVEL SECURITY;
CREATE POLICY customer_links_owner ON customer_links TO stagedoor_owner USING (true) WITH CHECK (true);
CREATE POLICY customer_links_report ON customer_links FOR SELECT TO stagedoor_report USING (true);
CREATE POLICY customer_links_app ON customer_links TO stagedoor_app USING (
    CASE (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        WHEN 'customer' THEN email = (SELECT nullif(current_setting('stagedoor.actor', true), ''))
        WHEN 'system' THEN true
        WHEN 'job' THEN true
        WHEN 'cli' THEN true
        ELSE false
    END
);

ALTER TABLE customer_sign_ins ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_sign_ins FORCE ROW LEVEL SECURITY;
CREATE POLICY customer_sign_ins_owner ON customer_sign_ins TO stagedoor_owner
    USING (true) WITH CHECK (true);
CREATE POLICY customer_sign_ins_report ON customer_sign_ins FOR SELECT TO stagedoor_report
    USING (true);
CREATE POLICY customer_sign_ins_app ON customer_sign_ins TO stagedoor_app USING (
    (SELECT nullif(current_setting('stagedoor.actor_kind', true), ''))
        IN ('system', 'job', 'cli')
);

-- That an account came and went is in the log, and what it was linked with. Whose it is stands in its
-- own row alone, which can be forgotten.
CREATE TRIGGER customers_audit_insert AFTER INSERT ON customers
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_insert('email', 'name');
CREATE TRIGGER customers_audit_delete AFTER DELETE ON customers
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_delete('email', 'name');
CREATE TRIGGER customers_audit_truncate BEFORE TRUNCATE ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();
CREATE TRIGGER customers_keep_id BEFORE UPDATE ON customers
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION refuse_new_id();
CREATE TRIGGER customer_identities_audit_insert AFTER INSERT ON customer_identities
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_insert('subject');
CREATE TRIGGER customer_identities_audit_delete AFTER DELETE ON customer_identities
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    EXECUTE FUNCTION audit_delete('subject');
CREATE TRIGGER customer_identities_audit_truncate BEFORE TRUNCATE ON customer_identities
    FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate();

ALTER TABLE mails DROP CONSTRAINT mails_kind_check;
ALTER TABLE mails ADD CONSTRAINT mails_kind_check
    CHECK (kind IN ('confirmed', 'cancelled', 'refunded', 'payment_failed', 'sign_in'));
