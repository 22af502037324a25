//! The four tables of the specification, to the letter: columns, keys and indexes.

use super::lines;
use crate::support::TestDatabase;

/// The specification's tables: columns in order with their types.
const CONCERTS: &[(&str, &str)] = &[
    ("id", "SERIAL"),
    ("name", "VARCHAR(255)"),
    ("artist", "VARCHAR(255)"),
    ("date", "DATE"),
    ("venue", "VARCHAR(255)"),
    ("total_tickets", "INTEGER"),
    ("available_tickets", "INTEGER"),
    ("price", "DECIMAL(10,2)"),
    ("status", "VARCHAR(50)"),
    ("image_url", "TEXT"),
    ("description", "TEXT"),
    ("created_at", "TIMESTAMP"),
    ("updated_at", "TIMESTAMP"),
    ("deleted_at", "TIMESTAMP"),
];
const RESERVATIONS: &[(&str, &str)] = &[
    ("id", "VARCHAR(50)"),
    ("concert_id", "INTEGER"),
    ("customer_name", "VARCHAR(255)"),
    ("customer_email", "VARCHAR(255)"),
    ("quantity", "INTEGER"),
    ("total_price", "DECIMAL(10,2)"),
    ("status", "VARCHAR(50)"),
    ("google_auth", "BOOLEAN"),
    ("payment_status", "VARCHAR(50)"),
    ("reserved_at", "TIMESTAMP"),
    ("created_at", "TIMESTAMP"),
    ("updated_at", "TIMESTAMP"),
    ("deleted_at", "TIMESTAMP"),
];
const ADMIN_USERS: &[(&str, &str)] = &[
    ("id", "SERIAL"),
    ("username", "VARCHAR(100)"),
    ("password", "VARCHAR(255)"),
    ("email", "VARCHAR(255)"),
    ("role", "VARCHAR(50)"),
    ("is_active", "BOOLEAN"),
    ("last_login", "TIMESTAMP"),
    ("created_at", "TIMESTAMP"),
    ("updated_at", "TIMESTAMP"),
    ("deleted_at", "TIMESTAMP"),
];
const AUDIT_LOGS: &[(&str, &str)] = &[
    ("id", "SERIAL"),
    ("user_id", "INTEGER"),
    ("action", "VARCHAR(255)"),
    ("table_name", "VARCHAR(100)"),
    ("record_id", "VARCHAR(50)"),
    ("old_values", "JSONB"),
    ("new_values", "JSONB"),
    ("ip_address", "VARCHAR(45)"),
    ("created_at", "TIMESTAMP"),
];
/// A table's name with its specified columns.
type Specified = (&'static str, &'static [(&'static str, &'static str)]);

const TABLES: [Specified; 4] = [
    ("concerts", CONCERTS),
    ("reservations", RESERVATIONS),
    ("admin_users", ADMIN_USERS),
    ("audit_logs", AUDIT_LOGS),
];

/// Where the specification leaves a value out; every other column is NOT NULL.
const NULLABLE: [&str; 9] = [
    "deleted_at",
    "last_login",
    "image_url",
    "description",
    "audit_logs.user_id",
    "audit_logs.record_id",
    "audit_logs.old_values",
    "audit_logs.new_values",
    "audit_logs.ip_address",
];

const INDEXES: [(&str, &str); 8] = [
    ("idx_admin_users_username", "admin_users"),
    ("idx_audit_logs_created", "audit_logs"),
    ("idx_concerts_date", "concerts"),
    ("idx_concerts_status", "concerts"),
    ("idx_reservations_concert", "reservations"),
    ("idx_reservations_created", "reservations"),
    ("idx_reservations_email", "reservations"),
    ("idx_reservations_status", "reservations"),
];

const KEYS: [&str; 8] = [
    "admin_users PRIMARY KEY (id)",
    "admin_users UNIQUE (email)",
    "admin_users UNIQUE (username)",
    "audit_logs FOREIGN KEY (user_id) REFERENCES admin_users(id)",
    "audit_logs PRIMARY KEY (id)",
    "concerts PRIMARY KEY (id)",
    "reservations FOREIGN KEY (concert_id) REFERENCES concerts(id)",
    "reservations PRIMARY KEY (id)",
];

/// One column as it is: name, type in the specification's words, nullability, default.
const COLUMNS: &str = "
    SELECT column_name::text,
           CASE WHEN column_default LIKE 'nextval(%' AND data_type = 'integer' THEN 'SERIAL'
                WHEN data_type = 'character varying'
                    THEN format('VARCHAR(%s)', character_maximum_length)
                WHEN data_type = 'numeric'
                    THEN format('DECIMAL(%s,%s)', numeric_precision, numeric_scale)
                WHEN data_type = 'timestamp without time zone' AND datetime_precision = 6
                    THEN 'TIMESTAMP'
                ELSE upper(data_type) END,
           is_nullable = 'YES',
           coalesce(column_default, '')
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1
    ORDER BY ordinal_position";

#[tokio::test(flavor = "multi_thread")]
async fn the_four_tables_are_the_specifications_to_the_letter() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    for (table, specified) in TABLES {
        let rows = postgres.query(COLUMNS, &[&table]).await.unwrap();
        let found: Vec<(String, String)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, kind)| (name.as_str(), kind.as_str()))
            .collect();
        assert_eq!(found[..specified.len()], *specified, "{table}");
        for (index, row) in rows.iter().enumerate() {
            let (name, is_nullable, default): (String, bool, String) =
                (row.get(0), row.get(2), row.get(3));
            let is_ours = index >= specified.len();
            let may_be_null = is_ours
                || NULLABLE.contains(&name.as_str())
                || NULLABLE.contains(&format!("{table}.{name}").as_str());
            assert_eq!(is_nullable, may_be_null, "{table}.{name}");
            if !is_ours {
                assert_eq!(default, expected_default(table, &name), "{table}.{name}");
            }
        }
    }
}

fn expected_default(table: &str, column: &str) -> String {
    match (table, column) {
        ("reservations", "id") => String::new(),
        (table, "id") => format!("nextval('{table}_id_seq'::regclass)"),
        ("reservations", "status" | "payment_status") => "'pending'::character varying".to_owned(),
        (_, "google_auth") => "false".to_owned(),
        (_, "is_active") => "true".to_owned(),
        (_, "reserved_at" | "created_at" | "updated_at") => {
            "(now() AT TIME ZONE 'utc'::text)".to_owned()
        }
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_keys_are_the_specifications() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let indexes = "
        SELECT index.relname || ' ' || t.relname || CASE WHEN indisvalid AND indisready THEN ''
                                                         ELSE ' (invalid)' END
        FROM pg_index
        JOIN pg_class index ON index.oid = indexrelid
        JOIN pg_class t ON t.oid = indrelid
        WHERE index.relname LIKE 'idx\\_%' ORDER BY 1";
    let expected = INDEXES.map(|(index, table)| format!("{index} {table}"));
    assert_eq!(lines(&postgres, indexes).await, expected);
    let keys = "
        SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE contype IN ('p', 'f', 'u')
          AND conrelid::regclass::text IN ('concerts', 'reservations', 'admin_users', 'audit_logs')
        ORDER BY 1";
    assert_eq!(lines(&postgres, keys).await, KEYS);
}
