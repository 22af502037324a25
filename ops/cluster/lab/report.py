"""Tells what a trial measured: a table for the terminal, JSON, and a document."""

import os
import platform
import statistics
from datetime import datetime, timezone

from .faults import FAULTS, Outcome

# `make bench` keeps it when it writes the rest.
SECTION = "## Failover"
COLUMNS = ("fault", "without sales", "promised", "rejoined", "reads failed", "slowest read",
           "told", "lost", "oversold", "doubled", "retries told the truth", "")


def rows(outcomes: list[Outcome], patience: float) -> list[tuple[str, ...]]:
    found = []
    for outcome in outcomes:
        fault, verdict = FAULTS[outcome.fault], outcome.verdict
        limit = "-" if fault.limit is None else f"{fault.limit * patience:.0f} s"
        found.append((
            outcome.fault, f"{outcome.seconds_without_sales:.1f} s", limit,
            f"{outcome.rejoin_seconds:.1f} s", f"{outcome.failed_reads} of {outcome.reads}",
            f"{outcome.slowest_read_seconds:.2f} s", str(verdict["acknowledged"]),
            str(verdict["lost"]), str(verdict["oversold"]), str(verdict["doubled"]),
            f"{verdict['retries_that_told_the_truth']} of {verdict['retried']}",
            "missed" if outcome.missed else "kept",
        ))
    return found


def table(outcomes: list[Outcome], patience: float) -> str:
    lines = [COLUMNS, *rows(outcomes, patience)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
        for line in lines)


def to_json(outcomes: list[Outcome], **more) -> dict:
    by_fault = {}
    for name in FAULTS:
        found = [o.seconds_without_sales for o in outcomes if o.fault == name]
        if found:
            by_fault[name] = {"runs": len(found), "median_seconds": statistics.median(found),
                              "worst_seconds": max(found)}
    return {"measured_at": _now(), "faults": [vars(outcome) for outcome in outcomes],
            "seconds_without_sales": by_fault, **more}


def put_section(text: str, section: str) -> str:
    """The document with its section exchanged for this one, or with this one at its end."""
    before, found, rest = f"\n{text}".partition(f"\n{SECTION}\n")
    _, following, after = rest.partition("\n## ") if found else ("", "", "")
    return f"{before.strip()}\n\n{section.strip()}\n" + (f"\n## {after}" if following else "")


def document(outcomes: list[Outcome], report: dict, command: str) -> str:
    """The section of docs/performance.md; one line for each fault, however often it was made."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        SECTION, "",
        f"This section is written by `{command}`.", "",
        f"- Measured at {report['measured_at']} on one machine: {os.cpu_count()} cores, "
        f"{memory:.0f} GB of memory, Linux {platform.release()}.",
        f"- Three nodes of etcd, Patroni {report['patroni']} and PostgreSQL {report['postgres']} "
        f"from the templates in `ops/`, {report['network']}, HAProxy {report['haproxy']}, two "
        "servers, TLS everywhere.",
        "- The first server finds the primary by HAProxy, the second by a list of hosts.",
        f"- Meanwhile `stagedoor rush` sends {report['load']['rate']} buyers a second, and buyers "
        "who measure come every 50 ms, each with a key that is used until the answer is final.",
        "- Without sales: the longest time between two acknowledged sales around the fault, "
        "rejoining included.",
        "- Rejoined: from the repair to three members that stream, etcd complete.",
        "- Lost, oversold and doubled compare what all buyers of the trial so far were told with "
        "what the primary has.", "",
        "| fault | made | without sales, median | worst | promised | rejoined within "
        "| reads failed | lost | oversold | doubled | |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, fault in FAULTS.items():
        found = [outcome for outcome in outcomes if outcome.fault == name]
        if not found:
            lines.append(f"| {fault.title} (`{name}`) | not made | | | | | | | | | |")
            continue
        lines.append(_document_row(fault, found))
    retried = outcomes[-1].verdict["retried"] if outcomes else 0
    truth = outcomes[-1].verdict["retries_that_told_the_truth"] if outcomes else 0
    told = outcomes[-1].verdict["acknowledged"] if outcomes else 0
    lines += ["", f"Of {told} acknowledged sales of the measuring buyers {retried} needed or made "
              f"more than one request with their key; {truth} of their last answers are what the "
              "database has.",
              *_while_away(outcomes), "",
              "What was missed:" if report["missed"] else "Nothing promised was missed.", ""]
    lines += [f"- {line}" for line in report["missed"]]
    return "\n".join(lines).rstrip() + "\n"


def _while_away(outcomes: list[Outcome]) -> list[str]:
    """What the servers said while they couldn't sell."""
    seen = [said for outcome in outcomes for said in outcome.checks.values()
            if isinstance(said, dict)]
    if not seen:
        return []
    told = {what: sorted({str(said[what]) for said in seen}) for what in
            ("/en/", "/readyz", "/readyz?for=writes", "sale")}
    slowest = max(said["sale_seconds"] for said in seen)
    lines = [f"While the primary or all standbys were away, {len(seen)} looks at the servers saw "
             f"the list {' or '.join(told['/en/'])}, `/readyz` {' or '.join(told['/readyz'])}, "
             f"`/readyz?for=writes` {' or '.join(told['/readyz?for=writes'])}, and a sale answered "
             f"with {' or '.join(told['sale'])} within {slowest:.1f} s."]
    for outcome in outcomes:
        if (after := outcome.checks.get("sales_after_return_seconds")) is not None:
            lines.append(
                f"Without standbys {outcome.checks['acknowledged_without_standby']} sales were "
                f"acknowledged; the first one came {after} s after a standby streamed again, which "
                f"took {outcome.checks['standby_back_seconds']} s from its start.")
    return lines


def _document_row(fault, found: list[Outcome]) -> str:
    gaps = [outcome.seconds_without_sales for outcome in found]
    limit = "-" if fault.limit is None else f"{fault.limit:.0f} s"
    if fault.median:
        limit += f", median of three {fault.median:.0f} s"
    times = "once" if len(found) == 1 else f"{len(found)} times"
    sums = {key: max(outcome.verdict[key] for outcome in found)
            for key in ("lost", "oversold", "doubled")}
    reads = sum(outcome.reads for outcome in found)
    failed = sum(outcome.failed_reads for outcome in found)
    return (
        f"| {fault.title} (`{fault.name}`) | {times} | {statistics.median(gaps):.1f} s "
        f"| {max(gaps):.1f} s | {limit} | {max(o.rejoin_seconds for o in found):.1f} s "
        f"| {failed} of {reads} | {sums['lost']} | {sums['oversold']} | {sums['doubled']} "
        f"| {'missed' if any(o.missed for o in found) else 'kept'} |")


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
