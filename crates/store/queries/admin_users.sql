--! insert
INSERT INTO admin_users (username, password, email, role, created_at, updated_at)
VALUES (:username, :password, :email, :role, :now, :now)
RETURNING id;
