"""The machine of "One machine" in docs/operations.md: PostgreSQL that archives, and the shop.

Its commands run by a shell in which the documents' paths and programs are the lab's.
"""

import json
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryFile

from lab import LabError, processes
from lab.account import Account
from lab.cluster import wait_until
from lab.layout import DATABASE, OPS
from lab.lifecycle import get

from . import settings
from .clouds import Clouds
from .place import Place, tool_files

COMMAND_SECONDS = 600
READY_SECONDS = 60
MAIN = "/var/lib/postgresql/15/main"


class Machine:
    def __init__(self, place: Place, account: Account, postgres: Path):
        self.place = place
        self.account = account
        self.postgres = postgres

    @property
    def data(self) -> Path:
        return self.place.at(MAIN)

    # ---- Commands ----

    def environment(self) -> dict[str, str]:
        at = self.place.at
        folders = [self.place.tools, at("/usr/local/sbin"), at("/usr/local/bin")]
        config = str(at("/etc/pgbackrest/pgbackrest.conf"))
        return {
            "PATH": ":".join(map(str, folders)) + ":/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.place.folder),
            "LC_ALL": "C.UTF-8",
            processes.FOLDER_MARK: str(self.place.folder),
            processes.PART_MARK: "machine/command",
            # Where programs look by themselves.
            "PGBACKREST_CONFIG": config,
            "STAGEDOOR_BACKUP_CONFIG": config,
            "BACKUP_LAB": str(self.place.folder),
            "BACKUP_LAB_POSTGRES": str(self.postgres),
        }

    def shell(self, script: str, *, said: str = "", seconds: float = COMMAND_SECONDS,
              may_fail: bool = False) -> subprocess.CompletedProcess:
        """Runs commands as a document has them."""
        script = self.place.mapped(script)
        # Its servers must not hold a pipe that we read to its end.
        with TemporaryFile() as out, TemporaryFile() as err:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script], input=said.encode(), stdout=out,
                stderr=err, env=self.environment(), cwd=self.place.folder, timeout=seconds,
                check=False, **self.account.popen_options())
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        if done.returncode != 0 and not may_fail:
            raise LabError(f"{script.strip()[:600]}\nended with {done.returncode}:\n"
                           f"{texts[1].strip()[-2500:]}{texts[0].strip()[-1500:]}")
        return subprocess.CompletedProcess(script, done.returncode, *texts)

    def carry_out(self, script: str) -> None:
        """A document's commands, which must touch nothing but the lab."""
        if strangers := self.place.strangers(script):
            raise LabError(f"nobody says where a lab has {', '.join(strangers)}")
        self.shell(script)

    def json(self, command: str) -> dict:
        """The report of a command, which must go well."""
        return json.loads(self.shell(f"{command} --json").stdout)

    def sql(self, text: str, *, user: str = "postgres", database: str = DATABASE,
            socket: str = "/var/run/postgresql") -> list[list[str]]:
        done = self.shell(
            f"{self.postgres}/psql --no-psqlrc --quiet --tuples-only --no-align "
            f"--field-separator=$'\\t' --set=ON_ERROR_STOP=1 --host={socket} "
            f"--username={user} --dbname={database}", said=text)
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    # ---- Installation ----

    def install(self, binary: Path, clouds: Clouds) -> None:
        """What "One machine" and "Backups" of docs/operations.md say, up to the first concert."""
        self.make_bare()
        # Of the archive in the safe place; two people know it.
        self.account.write(self.place.folder / "passphrase", secrets.token_hex(16))
        self._install_program(binary)
        self._initialise()
        settings.write_postgres(self)
        settings.write_shop(self)
        settings.write_pgbackrest(self, clouds)
        self.shell("sudo systemctl start postgresql")
        self.sql("CREATE ROLE stagedoor_owner LOGIN CREATEROLE;\n"
                 f"CREATE DATABASE {DATABASE} OWNER stagedoor_owner;", database="postgres")
        self.sql((OPS / "pgbackrest" / "role.sql").read_text(), database="postgres")
        self.shell("sudo stagedoor-operator migrate")
        for repo in (2, 3):
            # An account of a real cloud has its bucket already.
            self.shell(f"pgbackrest --stanza=stagedoor --repo={repo} repo-create", may_fail=True)
        self.shell("sudo -u postgres pgbackrest --stanza=stagedoor stanza-create")

    def make_bare(self) -> None:
        """A machine with nothing but its system and empty folders that packages and units make."""
        place = self.place
        for folder in (place.run, place.safe, place.tools, place.machine):
            self.account.make_folder(folder)
        for path in ("/etc", "/etc/postgresql", "/etc/postgresql/15", "/etc/postgresql/15/main",
                     "/var", "/var/lib", "/var/lib/postgresql", "/var/lib/postgresql/15", MAIN,
                     "/var/lib/stagedoor",
                     "/var/log", "/var/log/pgbackrest", "/var/spool", "/usr", "/usr/local",
                     "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib"):
            self.account.make_folder(place.machine / path.lstrip("/"))
        for tool in tool_files():
            target = place.tools / tool.name
            target.write_text(place.mapped(tool.read_text()))
            target.chmod(0o755)

    def _install_program(self, binary: Path) -> None:
        safe = self.place.safe / "stagedoor"
        shutil.copyfile(binary, safe)
        safe.chmod(0o755)
        self.shell(
            "sudo install -D -m 755 /mnt/safe/stagedoor /usr/local/lib/stagedoor/0.1.0/stagedoor\n"
            "sudo ln -sfn /usr/local/lib/stagedoor/0.1.0/stagedoor /usr/local/bin/stagedoor")
        for name in ("stagedoor-operator", "stagedoor-backup"):
            self.write(f"/usr/local/sbin/{name}", (OPS / "systemd" / name).read_text(), 0o755)
        units = (OPS / "systemd").glob("stagedoor*.*")
        for unit in (path for path in units if path.suffix in (".service", ".timer")):
            self.write(f"/etc/systemd/system/{unit.name}", unit.read_text())
        seals = "stagedoor-drill.service.d/seals.conf"
        self.write(f"/etc/systemd/system/{seals}", (OPS / "systemd" / seals).read_text())

    def _initialise(self) -> None:
        self.shell(f"sudo -u postgres mkdir -p /var/lib/pgbackrest /var/spool/pgbackrest\n"
                   f"{self.postgres}/initdb --pgdata={MAIN} --username=postgres --auth=peer "
                   "--encoding=UTF8 --locale=C.UTF-8 --data-checksums --no-instructions")
        # Debian keeps them there, and so no backup has them.
        self.shell(f"mv {MAIN}/postgresql.conf {MAIN}/pg_hba.conf {MAIN}/pg_ident.conf "
                   "/etc/postgresql/15/main/\nmkdir /etc/postgresql/15/main/conf.d")

    def write(self, path: str, text: str, mode: int = 0o600) -> Path:
        """A file as the documents have it."""
        target = self.place.at(path)
        missing = [folder for folder in target.parents if not folder.exists()]
        for folder in reversed(missing):
            self.account.make_folder(folder)
        self.account.write(target, self.place.mapped(text))
        target.chmod(mode)
        return target

    # ---- The shop ----

    def open_shop(self) -> None:
        self.shell("sudo systemctl start stagedoor")
        self.wait_ready()

    def wait_ready(self) -> None:
        if not wait_until(lambda: self.ready()[0] == 200, READY_SECONDS):
            log = self.place.machine / "var/log/stagedoor.log"
            raise LabError(f"the shop doesn't sell: {self.ready()}\n{processes.tail(log)}")

    def ready(self) -> tuple[int, bytes]:
        return get("127.0.0.1", self.place.ports.shop, "/readyz?for=writes")

    def metrics(self, pattern: str) -> list[str]:
        _, body = get("127.0.0.1", self.place.ports.metrics, "/metrics")
        lines = body.decode().splitlines()
        return [line for line in lines if re.match(pattern, line)]

    def concert(self, run: str, tickets: int) -> int:
        """A concert that nobody sells out, and another one at which nobody buys."""
        lines = ("name,artist,date,venue,total_tickets,price,status\n"
                 f"Trial {run},The Testers,2099-01-01,The Lab,{tickets},100.00,open\n"
                 f"Other {run},The Testers,2099-01-02,The Lab,{tickets},100.00,open\n")
        self.shell("sudo stagedoor-operator concert import --format csv -", said=lines)
        return int(self.sql(f"SELECT id FROM concerts WHERE name = 'Trial {run}'")[0][0])

    # ---- Its end ----

    def burn(self) -> None:
        """All processes at once, then every file, the nearer repository too."""
        self.kill()
        shutil.rmtree(self.place.machine)
        for socket in self.place.run.iterdir():
            socket.unlink()

    def kill(self) -> None:
        """PostgreSQL by an immediate shutdown: like a crash, but it gives shared memory back."""
        folder = self.place.folder
        found = processes.find(folder, ["machine", "copy"])
        processes.send([p for p in found if "postgres" not in p.part], signal.SIGKILL)
        first = [p for p in found if p.part.endswith("/postgres") and _is_first(p, found)]
        processes.stop(first, 15, signal.SIGQUIT)
        processes.stop(processes.find(folder, ["machine", "copy"]), 5, signal.SIGKILL)


def _is_first(process: processes.Process, found: list[processes.Process]) -> bool:
    """Its parent is no PostgreSQL of ours."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[1]) not in {other.pid for other in found if "postgres" in other.part}


def user_name(account: Account) -> str:
    return pwd.getpwuid(account.uid).pw_name
