--! insert
INSERT INTO customer_sign_ins (state_digest, browser_digest, nonce, pkce_verifier, return_to, language,
                               created_at, expires_at)
VALUES (:state_digest, :browser_digest, :nonce, :pkce_verifier, :return_to, :language, :now,
        :expires_at);

--! take
-- Uses one up: only the browser that began it gets it, once. Primary key.
DELETE FROM customer_sign_ins
WHERE state_digest = :state_digest AND browser_digest = :browser_digest AND expires_at > :now
RETURNING nonce, pkce_verifier, return_to, language;

--! delete_old
-- At most :limit of those that nobody came back from. customer_sign_ins_expires_at_idx.
DELETE FROM customer_sign_ins
WHERE state_digest IN (
    SELECT state_digest FROM customer_sign_ins WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit
);
