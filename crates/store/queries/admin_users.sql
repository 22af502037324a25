--! insert
INSERT INTO admin_users (username, password, email, role, created_at, updated_at)
VALUES (:username, :password, :email, :role, :now, :now)
RETURNING id;

--! exist
-- Whether there ever was an account, deleted ones included.
SELECT EXISTS (SELECT 1 FROM admin_users) AS any_account;

--! set_password
UPDATE admin_users SET password = :password, updated_at = :now WHERE username = :username;
