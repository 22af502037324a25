//! What each role may do in the database, and what the server's login is refused.

use store::migrate;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{GOOD_ROWS, dump, lines};
use crate::support::{APP, OWNER, TestDatabase, connect, logins};

/// Every right that a role of the product, or everybody, has in a database: the list of
/// `docs/security.md`.
pub(crate) fn documented() -> Vec<String> {
    let text = include_str!("../../../../../docs/security.md");
    let (_, list) = text.split_once("```rights\n").expect("the list");
    let (list, _) = list.split_once("```").expect("its end");
    list.lines().map(str::to_owned).collect()
}

/// Rights as PostgreSQL keeps them; where none were ever set, its own defaults count. What an extension
/// brought is open to everybody, behind the door of its schema.
const RIGHTS_FOUND: &str = "
    WITH who AS (
        SELECT oid, rolname::text AS name FROM pg_roles WHERE rolname ~ '^stagedoor_(app|report|monitor|backup)$'
        UNION ALL SELECT 0, 'PUBLIC'
    ), place AS (
        SELECT oid, nspname::text AS name, nspowner, nspacl FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ), thing AS (
        SELECT 'database' AS name, coalesce(datacl, acldefault('d', datdba)) AS acl
        FROM pg_database WHERE datname = current_database()
        UNION ALL
        SELECT 'schema ' || name, coalesce(nspacl, acldefault('n', nspowner)) FROM place
        UNION ALL
        SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname,
               coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner))
        FROM pg_class JOIN place ON place.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'column ' || relname || '.' || attname, attacl
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        JOIN place ON place.oid = relnamespace
        WHERE attacl IS NOT NULL
        UNION ALL
        SELECT 'function ' || pg_proc.oid::regprocedure, coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc JOIN place ON place.oid = pronamespace
        WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
        UNION ALL
        SELECT 'default for ' || defaclobjtype::text, defaclacl FROM pg_default_acl
    )
    SELECT who.name || ' ' || thing.name || ': '
           || string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ','
                         ORDER BY privilege_type) AS line
    FROM thing, aclexplode(acl) JOIN who ON who.oid = grantee
    GROUP BY who.name, thing.name
    UNION ALL
    SELECT who.name || ' member of ' || roleid::regrole::text
    FROM pg_auth_members JOIN who ON who.oid = member
    UNION ALL
    SELECT who.name || ' owns ' || pg_class.oid::regclass FROM pg_class JOIN who ON who.oid = relowner
    ORDER BY line";

/// The rights in a database, in the words of [`documented`].
pub(crate) async fn rights(postgres: &Client) -> Vec<String> {
    lines(postgres, RIGHTS_FOUND).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_has_exactly_its_rights() {
    // A copy of a database has no rights of its own, so this one is migrated itself.
    let database = TestDatabase::empty().await;
    migrate::migrate(&database.url(OWNER), &logins())
        .await
        .unwrap();
    let postgres = database.superuser().await;
    assert_eq!(rights(&postgres).await, documented());
    let powers = "
        SELECT rolname::text FROM pg_roles
        WHERE rolname LIKE 'stagedoor\\_%'
          AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)";
    assert_eq!(lines(&postgres, powers).await, [""; 0]);
    let settings = "
        SELECT unnest(setconfig) FROM pg_db_role_setting
        WHERE setrole = 'stagedoor_app'::regrole ORDER BY 1";
    let expected = ["TimeZone=UTC", "statement_timeout=120s"];
    assert_eq!(lines(&postgres, settings).await, expected);
}

/// What the server's login must not be able to do, however it is asked.
const FORBIDDEN: &[&str] = &[
    "CREATE TABLE t (x int)",
    "CREATE TEMP TABLE t (x int)",
    "CREATE SCHEMA s",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW v AS SELECT 1",
    "CREATE INDEX ON concerts (name)",
    "CREATE ROLE r",
    "CREATE DATABASE d",
    "ALTER TABLE concerts ADD COLUMN x int",
    "ALTER TABLE concerts DROP CONSTRAINT concerts_price_check",
    "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
    "ALTER TABLE reservations DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE reservations DISABLE TRIGGER ALL",
    "DROP POLICY reservations_app ON reservations",
    "ALTER ROLE stagedoor_app SUPERUSER",
    "ALTER SYSTEM SET log_statement = 'none'",
    "DROP TABLE admission_receipts",
    "TRUNCATE concerts CASCADE",
    "TRUNCATE reservations",
    "TRUNCATE admission_receipts",
    "TRUNCATE jobs",
    "TRUNCATE audit_logs",
    "DELETE FROM concerts",
    "DELETE FROM reservations",
    "SELECT 1 FROM audit_logs",
    "INSERT INTO audit_logs (action, table_name) VALUES ('CREATE', 'concerts')",
    "UPDATE audit_logs SET action = 'DELETE'",
    "DELETE FROM audit_logs",
    "INSERT INTO audit_erasures (pseudonym, log_id, row_ids, befores, afters, erased_at)
     VALUES ('erased-00000000000000000000000000000000@invalid', 1, '{}', '', '', now())",
    "UPDATE audit_erasures SET erased_at = now()",
    "DELETE FROM audit_erasures",
    "SELECT sign_audit_erasure(1, '', '')",
    "SELECT erased_values('{}', '', '{}', '', '')",
    "SELECT names_customer('', '', '{}')",
    "UPDATE audit_seals SET sealed_at = now()",
    "DELETE FROM audit_seals",
    "SELECT audit_digest(NULL)",
    "SELECT FROM list_audit_logs(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 9)",
    "SELECT FROM list_audit_logs(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 9, true)",
    "SELECT password FROM admin_users",
    "SELECT * FROM admin_users",
    "SELECT u FROM admin_users u",
    "SELECT id FROM admin_users WHERE password LIKE '$2b$12$a%'",
    "UPDATE admin_users SET email = password",
    "UPDATE admin_users SET is_active = true RETURNING password",
    "UPDATE admin_users SET id = 9",
    "INSERT INTO admin_users (username, password, email, role) VALUES ('a', 'b', 'c', 'admin') RETURNING password",
    "COPY admin_users TO STDOUT",
    "ALTER FUNCTION find_admin_credentials(text) SECURITY INVOKER",
    "DELETE FROM admin_users",
    "INSERT INTO refinery_schema_history (version) VALUES (99)",
    "SELECT setval('concerts_id_seq', 1)",
    "SELECT nextval('audit_logs_id_seq')",
    "SELECT nextval('jobs_id_seq')",
    "SET ROLE stagedoor_owner",
    "SET ROLE stagedoor_report",
    "SET SESSION AUTHORIZATION stagedoor_owner",
    "SET session_replication_role = replica",
    "COPY concerts TO PROGRAM 'cat'",
    "COPY concerts TO '/tmp/concerts'",
    "SELECT pg_read_file('postgresql.conf')",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_login_may_do_nothing_else() {
    let database = TestDatabase::empty().await;
    migrate::migrate(&database.url(OWNER), &logins())
        .await
        .unwrap();
    let before = dump(&database);
    let app = connect(&database.url(APP)).await;
    for statement in FORBIDDEN {
        let refused = app.batch_execute(statement).await;
        let code = refused.err().and_then(|error| error.code().cloned());
        assert_eq!(code, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{statement}");
    }
    assert_eq!(dump(&database), before);
    for statement in [
        "SET stagedoor.actor_kind = 'system'".to_owned(),
        GOOD_ROWS[0].insert(None),
        GOOD_ROWS[1].insert(None),
        GOOD_ROWS[2].insert(None),
        "SELECT password_hash FROM find_admin_credentials('u')".to_owned(),
        "UPDATE concerts SET available_tickets = 9 WHERE id > 0".to_owned(),
        "SELECT 1 FROM concerts FOR UPDATE".to_owned(),
    ] {
        let done = app.batch_execute(&statement).await;
        assert!(done.is_ok(), "{statement}: {done:?}");
    }
}
