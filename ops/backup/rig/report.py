"""Tells what was done and measured: JSON, and docs/restore.md."""

import json
import os
import platform
import re
import subprocess
from datetime import datetime, timezone

from .clouds import PACKAGE
from .disaster import Outcome
from .machine import Machine
from .mistake import Copy
from .settings import ARCHIVE_SECONDS
from .steps import Steps


def versions(machine: Machine) -> dict[str, str]:
    asked = {"postgres": [str(machine.postgres / "postgres"), "--version"],
             "pgbackrest": ["pgbackrest", "version"]}
    said = {}
    for name, command in asked.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        number = re.search(r"\d+(\.\d+)+", done.stdout)
        said[name] = number.group() if number else "?"
    packages = json.loads((PACKAGE / "package.json").read_text())["dependencies"]
    return said | packages


def database_bytes(machine: Machine) -> int:
    return int(machine.sql("SELECT sum(pg_database_size(oid)) FROM pg_database")[0][0])


def to_json(steps: Steps, copies: list[Copy], fires: list[Outcome], **more) -> dict:
    return {
        "measured_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ok": not steps.missed,
        "missed": steps.missed,
        "steps": [vars(step) for step in steps.done],
        "copies": [copy.to_json() for copy in copies],
        "fires": [fire.to_json() for fire in fires],
        **more,
    }


def document(report: dict, steps: Steps, copies: list[Copy], fires: list[Outcome]) -> str:
    """docs/restore.md."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    of = report["versions"]
    lines = [
        "# Backups and what was restored from them", "",
        "Written by `make test-backup`; not edited by hand.", "",
        f"- Measured at {report['measured_at']} on one machine: {os.cpu_count()} cores, "
        f"{memory:.0f} GB of memory, Linux {platform.release()}; the database had "
        f"{report['database_bytes'] / 1e6:.0f} MB.",
        f"- PostgreSQL {of['postgres']} archives by pgBackRest {of['pgbackrest']}, configured by "
        f"`ops/pgbackrest/pgbackrest.conf`, `archive_timeout` {ARCHIVE_SECONDS} s; a shop of one "
        "machine sells 20 reservations a second, and its buyers remember what they were told.",
        f"- Three repositories, each encrypted with a passphrase of its own: a folder, S3 (played "
        f"by `s3rver` {of['s3rver']}) and Azure (`azurite` {of['azurite']}), both by TLS that is "
        "verified. They are on the same machine, so a real cloud adds its network.",
        "", "## A table dropped by mistake", "",
        "While people bought, the owner dropped `reservations`; one second before was restored "
        "from each repository, beside the running system.", "",
        "| repository | restored in | files | log | acknowledged before | missing | altered "
        "| doubled | invariants | audit log |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    lines += [
        f"| {copy.where} | {copy.seconds:.1f} s | {copy.files_seconds:.1f} s "
        f"| {copy.log_seconds:.1f} s | {copy.expected} | {copy.missing} | {copy.altered} "
        f"| {copy.doubled} | {'hold' if copy.invariants_ok else 'BROKEN'} "
        f"| {'verified' if copy.audit_ok else 'NOT VERIFIED'} |" for copy in copies]
    lines += [
        "", "## The machine and the nearer repository burn down", "",
        "All processes were killed while people bought, and the machine's folder was removed; then "
        "the commands of [operations.md](operations.md#when-everything-is-gone) were taken out of "
        "it and run.", "",
        "| left | sells again after | acknowledged | lost | of the last | promised | in archived "
        "log | of those lost |", "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {fire.where} | {fire.seconds:.1f} s | {fire.acknowledged} | {fire.lost} "
        f"| {fire.lost_seconds:.1f} s | {fire.lost_seconds_max:.0f} s | {fire.archived} "
        f"| {fire.archived_and_lost} |" for fire in fires]
    lines += ["", "What is lost is what was sold since the last file of the log was pushed: buyers "
              "were told of it, and no backup has it. A synchronous standby has it.", ""]
    lines += _list_steps(fires)
    lines += ["## Every step", "", steps.table(), "",
              "What was missed:" if report["missed"] else "Nothing was missed.", ""]
    lines += [f"- {line}" for line in report["missed"]]
    return "\n".join(lines).rstrip() + "\n"


def _list_steps(fires: list[Outcome]) -> list[str]:
    """The seconds of each step of the written list."""
    if not fires:
        return []
    lines = ["| step of the list |" + "".join(f" {fire.where} |" for fire in fires),
             "|---|" + "--:|" * len(fires)]
    for number, (title, _) in enumerate(fires[0].steps):
        times = "".join(f" {fire.steps[number][1]:.1f} s |" for fire in fires)
        lines.append(f"| {title} |{times}")
    commands = sorted({line for fire in fires for line in fire.not_run})
    return [*lines, "", "Of the list's commands these were not run, because the lab has neither "
            "systemd nor root, and its packages are there:", "",
            *(f"- `{command}`" for command in commands), ""]
