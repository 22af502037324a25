"""The machine's settings: as docs/operations.md has them, and pgBackRest's from its template."""

import re
import secrets

from lab import LabError
from lab.layout import OPS

from . import clouds as emulators
from .clouds import Clouds

TEMPLATE = OPS / "pgbackrest" / "pgbackrest.conf"
ARCHIVE_SECONDS = 60
_SETTING = re.compile(r"^#?(?P<name>[a-z0-9-]+)=(?P<value>.*)$")


def write_postgres(machine) -> None:
    from .machine import MAIN, user_name
    user = user_name(machine.account)
    folder = "/etc/postgresql/15/main"
    machine.write(f"{folder}/pg_hba.conf",
                  "local postgres pgbackrest peer map=pgbackrest\n"
                  "local stagedoor stagedoor_app,stagedoor_monitor,stagedoor_owner,stagedoor_backup "
                  "peer map=stagedoor\n"
                  "local all postgres peer map=postgres\n")
    lines = [f"pgbackrest {user} pgbackrest", f"postgres {user} postgres"]
    lines += [f"stagedoor {user} stagedoor_{role}" for role in ("app", "monitor", "owner", "backup")]
    machine.write(f"{folder}/pg_ident.conf", "\n".join(lines) + "\n")
    # Debian's own lines first.
    machine.write(f"{folder}/postgresql.conf",
                  f"data_directory = '{MAIN}'\n"
                  f"hba_file = '{folder}/pg_hba.conf'\n"
                  f"ident_file = '{folder}/pg_ident.conf'\n"
                  "unix_socket_directories = '/var/run/postgresql'\n"
                  "include_dir = 'conf.d'\n")
    machine.write(f"{folder}/conf.d/stagedoor.conf",
                  "listen_addresses = ''\nshared_buffers = 64MB\ntimezone = 'UTC'\n"
                  "log_min_duration_statement = 100ms\nlog_lock_waits = on\n"
                  "log_parameter_max_length = 0\nlog_parameter_max_length_on_error = 0\n"
                  "log_error_verbosity = terse\n"
                  f"archive_mode = on\narchive_timeout = {ARCHIVE_SECONDS}\n"
                  "archive_command = 'pgbackrest --stanza=stagedoor archive-push %p'\n")


def write_shop(machine) -> None:
    machine.write("/etc/stagedoor/stagedoor.toml",
                  'env = "production"\nbase_url = "https://tickets.example.org"\n'
                  'listen = "127.0.0.1:8080"\nmetrics_listen = "127.0.0.1:9464"\n'
                  'trusted_proxies = "127.0.0.1"\ntimezone = "Asia/Bangkok"\ncurrency = "THB"\n'
                  'mail_from = "tickets@example.org"\nallow_sandbox = true\n'
                  # Of the lab alone, where all buyers have one address.
                  'rate_limit = "off"\n')
    where = "stagedoor?host=/var/run/postgresql"
    held = {
        "database_url": f"postgresql://stagedoor_app@/{where}",
        "database_owner_url": f"postgresql://stagedoor_owner@/{where}",
        "database_monitor_url": f"postgresql://stagedoor_monitor@/{where}",
        "secret_key": secrets.token_hex(32),
        "smtp_url": "smtp://127.0.0.1:9",
        "database_replica_urls": "",
        "secret_key_previous": "",
    }
    for name, value in held.items():
        machine.write(f"/etc/stagedoor/secrets/{name}", value + "\n")
    machine.write("/etc/stagedoor/backup.env",
                  f"DATABASE_BACKUP_URL=postgresql://stagedoor_backup@/{where}\n")


def write_pgbackrest(machine, clouds: Clouds) -> None:
    text = fill(TEMPLATE.read_text(encoding="utf-8"), values(clouds), more(machine, clouds))
    machine.write("/etc/pgbackrest/pgbackrest.conf", text, 0o640)


def values(clouds: Clouds) -> dict[str, str]:
    """What the template says must be changed; Azure is a third repository here."""
    return {
        "repo1-cipher-pass": secrets.token_urlsafe(36),
        "repo2-cipher-pass": secrets.token_urlsafe(36),
        "repo2-s3-bucket": emulators.BUCKET,
        "repo2-s3-endpoint": emulators.HOST,
        "repo2-s3-region": "us-east-1",
        "repo2-s3-key": emulators.S3_KEY,
        "repo2-s3-key-secret": emulators.S3_SECRET,
        "repo3-azure-account": emulators.ACCOUNT,
        "repo3-azure-container": emulators.CONTAINER,
        "repo3-azure-key": clouds.azure_key,
        "repo3-cipher-pass": secrets.token_urlsafe(36),
        "archive-push-queue-max": "1GiB",
        "pg1-path": "/var/lib/postgresql/15/main",
    }


def more(machine, clouds: Clouds) -> dict[str, str]:
    """What emulators on this machine need, and no real cloud."""
    ports = machine.place.ports
    added = {"repo2-s3-uri-style": "path", "repo3-azure-uri-style": "path",
             "repo3-azure-endpoint": emulators.HOST}
    for repo, port in ((2, ports.s3), (3, ports.azure)):
        added |= {f"repo{repo}-storage-host": emulators.HOST,
                  f"repo{repo}-storage-port": str(port),
                  f"repo{repo}-storage-ca-file": str(clouds.authority)}
    return added | {"log-path": "/var/log/pgbackrest", "lock-path": "/var/lib/pgbackrest-lock"}


def fill(template: str, wanted: dict[str, str], added: dict[str, str]) -> str:
    """The template with its values, and with its lines for Azure as repository 3."""
    rest = dict(wanted)
    lines, azure, common = [], [], []
    for line in template.splitlines():
        found = _SETTING.match(line)
        if line.startswith("#repo2-") and found:
            azure.append(found.group().lstrip("#"))
            continue
        if re.match(r"repo2-(cipher|retention)", line):
            common.append(line)
        lines.append(line)
    third = [line.replace("repo2-", "repo3-", 1) for line in azure + common]
    place = lines.index("compress-type=zst")
    extra = [f"{name}={value}" for name, value in added.items()]
    lines[place:place] = [*third, *extra, ""]
    for number, line in enumerate(lines):
        found = _SETTING.match(line)
        if found and not line.startswith("#") and found["name"] in rest:
            lines[number] = f"{found['name']}={rest.pop(found['name'])}"
    if rest:
        raise LabError(f"{TEMPLATE.name} has no line for {', '.join(sorted(rest))}")
    left = [line for line in lines if "CHANGE-ME" in line and not line.startswith("#")]
    if left:
        raise LabError(f"{TEMPLATE.name}: nobody says what belongs in {left}")
    return "\n".join(lines) + "\n"
