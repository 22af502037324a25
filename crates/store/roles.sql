-- The roles of the product and exactly what each may do in this database.
-- Run by `stagedoor migrate` after every migration, as the owner; it states the whole and is
-- therefore safe to run again. Roles themselves are made by `migrate` before, where missing.

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, stagedoor_app, stagedoor_report, '
                   'stagedoor_monitor, stagedoor_backup', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO stagedoor_app, stagedoor_report, '
                   'stagedoor_monitor, stagedoor_backup', current_database());
END
$$;

REVOKE ALL ON SCHEMA public
    FROM PUBLIC, stagedoor_app, stagedoor_report, stagedoor_monitor, stagedoor_backup;
-- All that is ours; what an extension brought belongs to whoever installed it.
DO $$
DECLARE
    thing text;
BEGIN
    FOR thing IN
        SELECT 'TABLE ' || oid::regclass FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND pg_has_role(relowner, 'USAGE')
        UNION ALL
        SELECT 'SEQUENCE ' || oid::regclass FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
          AND pg_has_role(relowner, 'USAGE')
        UNION ALL
        SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'w')
          AND pg_has_role(proowner, 'USAGE')
    LOOP
        EXECUTE 'REVOKE ALL ON ' || thing || ' FROM PUBLIC, stagedoor_app, stagedoor_report, '
                'stagedoor_monitor, stagedoor_backup';
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public
    TO stagedoor_app, stagedoor_report, stagedoor_monitor, stagedoor_backup;

-- The server: no DDL, no TRUNCATE, no DELETE of business data, nothing on the audit log.
GRANT SELECT, INSERT, UPDATE ON concerts, reservations TO stagedoor_app;
GRANT USAGE ON SEQUENCE concerts_id_seq TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON admission_receipts, jobs TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE ON heartbeats TO stagedoor_app;
GRANT SELECT ON backup_runs TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE ON payments, tickets, sandbox_orders TO stagedoor_app;
GRANT SELECT, INSERT ON payment_events TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE ON staff_runs, staff_run_rows TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON mails TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON customers, customer_identities, customer_sessions, customer_links, customer_sign_ins
    TO stagedoor_app;
-- Seals over the audit log, which it can neither read nor change.
GRANT SELECT, INSERT ON audit_seals TO stagedoor_app;
-- Erasing a customer, which only blanks and leaves its trace.
GRANT SELECT ON audit_erasures TO stagedoor_app;
GRANT EXECUTE ON FUNCTION erase_customer(text[], text, text, timestamp) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION sign_audit_erasure(bigint, bytea, bytea) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_unsealed_audit_logs(integer) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_audit_digests(integer, integer) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION log_export(text, jsonb) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION log_unlock(jsonb) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION find_unsealed_audit_log() TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_audit_changes(text, integer, bigint, integer) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_record_changes(text, text, integer, bigint, integer)
    TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_untold_accounts() TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_concert_entries(integer, integer) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_reservation_entries(text, integer) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_audit_logs(text, text, integer, text, timestamp, timestamp,
                                          timestamp, integer, integer),
    list_audit_logs(text, text, integer, text, timestamp, timestamp, timestamp, integer, integer,
                    boolean)
    TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_cancelled_concerts(integer[]) TO stagedoor_app;
GRANT EXECUTE ON FUNCTION list_standbys() TO stagedoor_app, stagedoor_monitor;
-- Taking the write probe's reservations away, and no others.
GRANT EXECUTE ON FUNCTION clear_write_probe() TO stagedoor_app;
-- Figures of health, which it keeps and forgets.
GRANT SELECT, INSERT, UPDATE, DELETE ON health_samples TO stagedoor_app;
GRANT SELECT, INSERT, DELETE ON table_sizes TO stagedoor_app;
GRANT EXECUTE ON FUNCTION analyze_table(text) TO stagedoor_app;
GRANT SELECT ON refinery_schema_history TO stagedoor_app, stagedoor_report, stagedoor_monitor;

GRANT EXECUTE ON FUNCTION search_reservations(text, text, text, text, integer, text, text, timestamp,
                                              timestamp, timestamp, text, timestamp, integer)
    TO stagedoor_app;
GRANT EXECUTE ON FUNCTION tidy_reservation_search() TO stagedoor_app;
-- Sums for reports, which it makes itself.
GRANT SELECT, INSERT, DELETE ON sales_days, sales_sums TO stagedoor_app;
GRANT SELECT, DELETE ON sales_changes TO stagedoor_app;
GRANT SELECT ON sales_days, sales_sums, sales_changes TO stagedoor_report;
GRANT EXECUTE ON FUNCTION sales_standing(text, text),
    list_sales(timestamp[], date, date, text, integer[], timestamp)
    TO stagedoor_app, stagedoor_report;

-- Staff accounts: the server writes password hashes but can't read any, except the one of a name
-- that it gives to the function.
GRANT SELECT (id, username, email, role, is_active, last_login, created_at, updated_at, deleted_at),
      INSERT,
      UPDATE (username, password, email, role, is_active, last_login, created_at, updated_at, deleted_at)
    ON admin_users TO stagedoor_app;
GRANT USAGE ON SEQUENCE admin_users_id_seq TO stagedoor_app;
GRANT EXECUTE ON FUNCTION find_admin_credentials(text) TO stagedoor_app;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON admin_sessions, admin_totp, admin_recovery_codes, admin_setup, sign_in_failures
    TO stagedoor_app;

-- Reports and staff lists: read only; the only one that reads the audit log.
GRANT SELECT ON concerts, reservations, payments, payment_events, tickets, mails, audit_logs
    TO stagedoor_report;
GRANT SELECT (id, username, email, role, is_active, last_login, created_at, updated_at, deleted_at)
    ON admin_users TO stagedoor_report;

-- Whoever makes backups writes down how they ended, and reads nothing.
GRANT INSERT ON backup_runs TO stagedoor_backup;
