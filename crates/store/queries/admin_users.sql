--: StaffMember(last_login?)
--: Credentials(deleted_at?)

--! insert
INSERT INTO admin_users (username, password, email, role, created_at, updated_at)
VALUES (:username, :password, :email, :role, :now, :now)
RETURNING id;

--! exist_superadmins
-- Whether anybody can make accounts. A handful of rows, read at the start of a server.
SELECT EXISTS (
    SELECT 1 FROM admin_users WHERE role = 'superadmin' AND is_active AND deleted_at IS NULL
) AS any_superadmin;

--! find_credentials : Credentials
-- By the function that alone may read a hash. admin_users_username_key.
SELECT id, password_hash, role, is_active, deleted_at FROM find_admin_credentials(:username);

--! find : StaffMember
-- Primary keys.
SELECT id, username, email, role, is_active, last_login, created_at, updated_at,
       EXISTS (SELECT 1 FROM admin_totp
               WHERE admin_user_id = admin_users.id AND confirmed_at IS NOT NULL) AS has_totp
FROM admin_users WHERE id = :id AND deleted_at IS NULL;

--! find_by_username : StaffMember
-- admin_users_username_key, admin_totp's primary key.
SELECT id, username, email, role, is_active, last_login, created_at, updated_at,
       EXISTS (SELECT 1 FROM admin_totp
               WHERE admin_user_id = admin_users.id AND confirmed_at IS NOT NULL) AS has_totp
FROM admin_users WHERE username = :username AND deleted_at IS NULL;

--! list : StaffMember
-- By number. Primary keys.
SELECT id, username, email, role, is_active, last_login, created_at, updated_at,
       EXISTS (SELECT 1 FROM admin_totp
               WHERE admin_user_id = admin_users.id AND confirmed_at IS NOT NULL) AS has_totp
FROM admin_users WHERE id > :after AND deleted_at IS NULL
ORDER BY id LIMIT :limit;

--! lock_superadmins
-- The numbers of those who can make accounts, until the transaction ends; always in the same order,
-- so that two who lock them wait for each other; not in the way of the audit log, which refers to
-- them. A handful of rows.
SELECT id FROM admin_users
WHERE role = 'superadmin' AND is_active AND deleted_at IS NULL
ORDER BY id FOR NO KEY UPDATE;

--! lock : StaffMember
-- Primary keys.
SELECT id, username, email, role, is_active, last_login, created_at, updated_at,
       EXISTS (SELECT 1 FROM admin_totp
               WHERE admin_user_id = admin_users.id AND confirmed_at IS NOT NULL) AS has_totp
FROM admin_users WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE;

--! update
-- Primary key.
UPDATE admin_users
SET email = :email, role = :role, is_active = :is_active, updated_at = :now
WHERE id = :id AND deleted_at IS NULL;

--! update_password
-- Primary key.
UPDATE admin_users SET password = :password, updated_at = :now
WHERE id = :id AND deleted_at IS NULL;

--! update_last_login
-- Not a change of the account, so updated_at stays. Primary key.
UPDATE admin_users SET last_login = :now WHERE id = :id;

--! delete
-- The row stays, for the audit log names it. Primary key.
UPDATE admin_users SET is_active = false, deleted_at = :now, updated_at = :now
WHERE id = :id AND deleted_at IS NULL;
