#!/usr/bin/env python3
"""Says what an alert lacks: labels, a runbook that exists, a row in docs/operations.md, a test.

Exit code 1 when one lacks something. It reads ops/prometheus/*.rules.yml, in the form that they have.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
URGENCIES = {"page": "12", "ticket": "34"}
FOLLOWS = ("servers", "standbys", "database")


def anchors(document):
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def alerts():
    for path in sorted((ROOT / "ops/prometheus").glob("*.rules.yml")):
        for text in path.read_text(encoding="utf-8").split("- alert: ")[1:]:
            yield text.split("\n", 1)[0].strip(), text


def value(key, text):
    found = re.search(rf'\b{key}: "?([^",}}\n]+)', text)
    return found[1] if found else ""


def faults(name, text, document, tests):
    labels = (re.search(r"^ +labels: \{(.*)\}$", text, re.MULTILINE) or ["", ""])[1]
    severity, urgency, follows = (value(key, labels) for key in ("severity", "urgency", "follows"))
    if not urgency or urgency not in URGENCIES.get(severity, ""):
        yield f"severity {severity!r} doesn't go with urgency {urgency!r}"
    if follows and follows not in FOLLOWS:
        yield f"it follows {follows!r}, which no alert tells"
    yield from (f"no {key}" for key in ("summary", "description") if f" {key}: " not in text)
    file, _, anchor = value("runbook", text).partition("#")
    if file != "docs/operations.md" or anchor not in anchors(document):
        yield f"its runbook {file}#{anchor} doesn't exist"
    if f"\n| `{name}` | {urgency} |" not in document:
        yield f"docs/operations.md has no row for it with urgency {urgency}"
    if f"\n        alertname: {name}\n        exp_alerts:" not in tests:
        yield "no test in which it fires"
    if f"alertname: {name}}}" not in tests:
        yield "no test in which it is silent"


def main():
    document = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    paths = sorted((ROOT / "ops/prometheus").glob("*.test.yml"))
    tests = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    known = dict(alerts())
    found = [f"{name}: {fault}" for name, text in known.items() for fault in faults(name, text, document, tests)]
    rows = re.findall(r"^\| `(Stagedoor\w+)` \|", document, re.MULTILINE)
    found += [f"{name}: docs/operations.md tells of it, and there is none" for name in rows if name not in known]
    print("\n".join([*found, f"{len(known)} alerts, {len(found)} faults"]))
    return 1 if found or not known else 0


if __name__ == "__main__":
    sys.exit(main())
