-- pgBackRest's own login: it may make backups and ask for settings, and can read no table.
-- Run it as a superuser in the database `postgres`, which is where pgBackRest connects to; it may be run
-- again. Without a password it logs in by pg_hba.conf's `peer`, from PostgreSQL's user of the system:
--   local postgres pgbackrest peer map=pgbackrest     in pg_hba.conf, before its other lines
--   pgbackrest     postgres   pgbackrest              in pg_ident.conf
-- which with Patroni patroni.yml has already,
-- and `pg1-user=pgbackrest` in pgbackrest.conf.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgbackrest') THEN
        CREATE ROLE pgbackrest LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;

GRANT pg_read_all_settings, pg_checkpoint TO pgbackrest;
GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO pgbackrest;
GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO pgbackrest;
GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO pgbackrest;
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO pgbackrest;
