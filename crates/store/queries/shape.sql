--! list_shape
-- What stands guard in this database, each with the command that makes it; for `doctor`, which compares
-- it with what the migrations and `roles.sql` make. Names and definitions are in one line.
WITH place AS (
    SELECT oid, nspname::text AS name, nspowner, nspacl FROM pg_namespace
    WHERE nspname = 'public'
), own AS (
    SELECT c.oid, quote_ident(c.relname) AS name, c.relkind, c.relowner, c.relacl,
           c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class AS c
    JOIN place ON place.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM pg_depend
                      WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
), routine AS (
    SELECT p.oid, p.oid::regprocedure::text AS name, p.proowner, p.proacl, p.prosrc, p.prosecdef,
           p.proconfig
    FROM pg_proc AS p
    JOIN place ON place.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend
                      WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
), who AS (
    SELECT oid, rolname::text AS name FROM pg_roles
    WHERE rolname IN ('stagedoor_app', 'stagedoor_report', 'stagedoor_monitor', 'stagedoor_backup')
    UNION ALL
    SELECT 0, 'PUBLIC'
), thing AS (
    SELECT 'database' AS name, coalesce(datacl, acldefault('d', datdba)) AS acl
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'schema ' || name, coalesce(nspacl, acldefault('n', nspowner)) FROM place
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || name,
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM own
    UNION ALL
    SELECT 'column ' || own.name || '.' || quote_ident(attname), attacl
    FROM pg_attribute JOIN own ON own.oid = attrelid
    WHERE attacl IS NOT NULL
    UNION ALL
    SELECT 'function ' || name, coalesce(proacl, acldefault('f', proowner)) FROM routine
    UNION ALL
    SELECT 'default for ' || defaclobjtype::text, defaclacl FROM pg_default_acl
), shape AS (
    SELECT 'column' AS kind, own.name || '.' || quote_ident(attname) AS name,
           format('ALTER TABLE %s ADD COLUMN %I %s%s%s', own.name, attname,
                  format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END,
                  CASE WHEN attgenerated = '' THEN coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
                       ELSE format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(adbin, adrelid)) END)
               AS definition
    FROM own
    JOIN pg_attribute ON attrelid = own.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE own.relkind IN ('r', 'p')
    UNION ALL
    -- One that is broken makes no query faster, and is none.
    SELECT 'index', quote_ident(c.relname),
           -- Wherever an extension's operators are.
           regexp_replace(pg_get_indexdef(indexrelid), '\S+\.gin_trgm_ops', 'gin_trgm_ops', 'g')
    FROM pg_index
    JOIN own ON own.oid = indrelid
    JOIN pg_class AS c ON c.oid = indexrelid
    WHERE indisvalid AND indisready
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'constraint', own.name || '.' || quote_ident(conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', own.name, conname, pg_get_constraintdef(c.oid))
    FROM pg_constraint AS c
    JOIN own ON own.oid = conrelid
    WHERE contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT 'trigger', own.name || '.' || quote_ident(tgname), pg_get_triggerdef(t.oid)
    FROM pg_trigger AS t
    JOIN own ON own.oid = tgrelid
    WHERE NOT tgisinternal
    UNION ALL
    SELECT 'trigger_state', own.name || '.' || quote_ident(tgname),
           format('ALTER TABLE %s %s TRIGGER %I', own.name,
                  CASE tgenabled WHEN 'O' THEN 'ENABLE' WHEN 'A' THEN 'ENABLE ALWAYS'
                                 WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'DISABLE' END, tgname)
    FROM pg_trigger
    JOIN own ON own.oid = tgrelid
    WHERE NOT tgisinternal
    UNION ALL
    SELECT 'row_security', name,
           format('ALTER TABLE %s %s ROW LEVEL SECURITY, %s ROW LEVEL SECURITY', name,
                  CASE WHEN relrowsecurity THEN 'ENABLE' ELSE 'DISABLE' END,
                  CASE WHEN relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END)
    FROM own
    WHERE relkind IN ('r', 'p')
    UNION ALL
    SELECT 'policy', quote_ident(tablename) || '.' || quote_ident(policyname),
           format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', policyname, tablename, permissive, cmd,
                  array_to_string(roles, ', '))
           || CASE WHEN qual IS NULL THEN '' ELSE format(' USING (%s)', qual) END
           || CASE WHEN with_check IS NULL THEN '' ELSE format(' WITH CHECK (%s)', with_check) END
    FROM pg_policies
    WHERE schemaname = 'public'
    UNION ALL
    SELECT 'function', name,
           format('%s, with the body of md5 %s%s',
                  CASE WHEN prosecdef THEN 'SECURITY DEFINER' ELSE 'SECURITY INVOKER' END, md5(prosrc),
                  coalesce(', SET ' || array_to_string(proconfig, ', '), ''))
    FROM routine
    UNION ALL
    -- The rights of those who log in, where none were ever set PostgreSQL's own defaults.
    SELECT 'right', who.name || ' ' || thing.name,
           string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ',' ORDER BY privilege_type)
    FROM thing, aclexplode(acl)
    JOIN who ON who.oid = grantee
    GROUP BY who.name, thing.name
    UNION ALL
    SELECT 'right', who.name || ' member of ' || roleid::regrole::text, ''
    FROM pg_auth_members JOIN who ON who.oid = member
    UNION ALL
    SELECT 'right', who.name || ' owns ' || own.name, '' FROM own JOIN who ON who.oid = relowner
    UNION ALL
    -- The owner makes roles, so that it may migrate without a superuser.
    SELECT 'power', rolname::text,
           format('ALTER ROLE %I%s', rolname,
                  CASE WHEN rolsuper THEN ' SUPERUSER' ELSE '' END
                  || CASE WHEN rolcreatedb THEN ' CREATEDB' ELSE '' END
                  || CASE WHEN rolcreaterole AND rolname <> 'stagedoor_owner' THEN ' CREATEROLE' ELSE '' END
                  || CASE WHEN rolreplication THEN ' REPLICATION' ELSE '' END
                  || CASE WHEN rolbypassrls THEN ' BYPASSRLS' ELSE '' END)
    FROM pg_roles
    WHERE rolname IN ('stagedoor_owner', 'stagedoor_app', 'stagedoor_report', 'stagedoor_monitor',
                      'stagedoor_backup')
      AND (rolsuper OR rolcreatedb OR rolreplication OR rolbypassrls
           OR (rolcreaterole AND rolname <> 'stagedoor_owner'))
)
SELECT kind, name, regexp_replace(coalesce(definition, ''), '\s+', ' ', 'g') AS definition
FROM shape
ORDER BY kind COLLATE "C", name COLLATE "C";

--! find_durability
-- What makes a commit last, as this login's sessions have it.
SELECT current_setting('fsync')::bool AS fsync,
       current_setting('full_page_writes')::bool AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('data_checksums')::bool AS data_checksums;

--! find_major_version
SELECT current_setting('server_version_num')::int / 10000 AS version;
