"""The product in a lab: its database, its roles, concerts, staff, and two servers."""

import csv
import io
import os
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

from . import LabError, processes
from .account import Account
from .cluster import Cluster
from .layout import DATABASE, Layout, Server

COMMAND_SECONDS = 60
ADMIN = "admin"


class Product:
    def __init__(self, layout: Layout, account: Account, cluster: Cluster):
        self.layout = layout
        self.account = account
        self.cluster = cluster
        self.binary = layout.folder / "bin" / "stagedoor"

    def install(self, binary: Path) -> None:
        """A copy, for the lab's user may not reach the place where it was built.

        Each server has a name of its own for it, by which its process is known.
        """
        shutil.copyfile(binary, self.binary)
        self.binary.chmod(0o755)
        for server in self.layout.servers:
            os.link(self.binary, server.folder / self.binary.name)

    def make_database(self) -> None:
        """What the README says under "On your own PostgreSQL"."""
        passwords = self.cluster.passwords
        self.cluster.sql(
            f"SET log_min_duration_statement = -1; SET log_statement = 'none';\n"
            f"CREATE ROLE stagedoor_owner LOGIN CREATEROLE PASSWORD '{passwords['owner']}';\n"
            f"CREATE DATABASE {DATABASE} OWNER stagedoor_owner;\n", database="postgres")
        # Its functions belong to the superuser, so they aren't among those that `migrate` grants.
        self.cluster.sql("CREATE SCHEMA monitoring;\n"
                         "GRANT USAGE ON SCHEMA monitoring TO pg_monitor;\n"
                         "CREATE EXTENSION pg_stat_statements SCHEMA monitoring;")
        self.run("migrate")

    def fill(self) -> None:
        """Concerts on sale and a superadmin."""
        concerts = io.StringIO()
        table = csv.writer(concerts)
        table.writerow(["name", "artist", "date", "venue", "total_tickets", "price", "status"])
        first = date.today() + timedelta(days=60)
        for number, (name, artist, venue, tickets, price) in enumerate((
            ("Night Ferry", "The Tidal Four", "Pier 12, Rayong", 350, "480.00"),
            ("Quiet Machines", "Ada & the Engines", "Depot 9, Bangkok", 2400, "990.00"),
            ("Strings of the North", "Lanna Quartet", "Old Hall, Chiang Mai", 900, "350.00"),
        )):
            on = first + timedelta(days=7 * number)
            table.writerow([name, artist, on.isoformat(), venue, tickets, price, "open"])
        self.run("concert", "import", "--format", "csv", "-", said=concerts.getvalue())
        self.run("admin", "create", ADMIN, "--email", "admin@example.org", "--role", "superadmin",
                 "--password-file", "-", said=self.cluster.passwords["admin"] + "\n")

    def url(self, login: str, where: str = "write") -> str:
        user = "postgres" if login == "superuser" else f"stagedoor_{login}"
        return self.layout.url(user, self.cluster.passwords[login], where)

    def environment(self) -> dict[str, str]:
        """For commands of an operator; secrets are no arguments."""
        return {
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": self.url("app"),
            "DATABASE_OWNER_URL": self.url("owner"),
            "DATABASE_MONITOR_URL": self.url("monitor"),
            "STAGEDOOR_SECRET_KEY": self.cluster.passwords["key"],
            "STAGEDOOR_LOG": "warn",
        }

    def run(self, *arguments: str, said: str = "") -> str:
        done = subprocess.run(
            [self.binary, *arguments], input=said, capture_output=True, text=True, check=False,
            cwd=self.layout.folder, env=self.environment(), timeout=COMMAND_SECONDS,
        )
        if done.returncode != 0:
            raise LabError(
                f"stagedoor {' '.join(arguments)} failed:\n{done.stderr.strip()[-3000:]}")
        return done.stdout

    def start(self, server: Server) -> int:
        """As in production; the first finds the primary by HAProxy, the second by itself."""
        by_proxy = server.way == "haproxy"
        standbys = ["read"] if by_proxy else [node.name for node in self.layout.nodes]
        hub = self.layout.hub
        environment = {
            "STAGEDOOR_ENV": "production",
            "DATABASE_URL": self.url("app", "write" if by_proxy else "direct"),
            "DATABASE_REPLICA_URLS": ",".join(self.url("app", one) for one in standbys),
            "DATABASE_MONITOR_URL": self.url("monitor", "write" if by_proxy else "direct"),
            "STAGEDOOR_LISTEN": f"{hub}:{server.port}",
            "STAGEDOOR_METRICS_LISTEN": f"{hub}:{server.metrics_port}",
            "STAGEDOOR_BASE_URL": f"https://{hub}:{self.layout.https_port}",
            "STAGEDOOR_SECRET_KEY": self.cluster.passwords["key"],
            "STAGEDOOR_TRUSTED_PROXIES": hub,
            "STAGEDOOR_FILES": str(server.folder / "files"),
            # Made for load tests; nothing is paid or mailed here.
            "STAGEDOOR_RATE_LIMIT": "off",
            "STAGEDOOR_ALLOW_SANDBOX": "true",
            "STAGEDOOR_SMTP_URL": f"smtp://{hub}:9",
            "STAGEDOOR_MAIL_FROM": "tickets@example.org",
        }
        program = server.folder / self.binary.name
        spawner = processes.Spawner(self.account, self.layout.folder)
        return spawner.start(f"{server.name}/serve", [str(program), "serve"],
                             server.folder / "serve.log", environment=environment,
                             namespace=self.layout.namespace)
