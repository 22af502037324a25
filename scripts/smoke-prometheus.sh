#!/usr/bin/env bash
# Tries Prometheus with our example, our rules and our dashboards against a server that runs:
#   smoke-prometheus.sh http://127.0.0.1:9464/metrics
# It starts Prometheus on a free port of the loopback interface with a data folder of its own, waits until
# the server was read and every rule was evaluated without an error, asks what each dashboard asks, and ends.
# Nothing is told to any Alertmanager. Exit codes: 0 fine, 1 something isn't, 2 wrong usage.
# SMOKE_PATIENCE: seconds that each wait may last, 60 unless told.
set -euo pipefail

cd "$(dirname "$0")/.."
PATIENCE=${SMOKE_PATIENCE:-60}

[[ $# -eq 1 && $1 =~ ^(https?)://([^/]+)(/.*)?$ ]] || { echo "usage: $0 http://HOST:PORT/metrics" >&2; exit 2; }
SCHEME=${BASH_REMATCH[1]} TARGET=${BASH_REMATCH[2]} METRICS_PATH=${BASH_REMATCH[3]:-/metrics}
[[ $TARGET$METRICS_PATH =~ ^[][A-Za-z0-9._:/-]+$ ]] || { echo "$0: $1 isn't an address" >&2; exit 2; }
for program in prometheus promtool python3; do
    command -v "$program" >/dev/null || { echo "$0: $program is missing; scripts/install-packages.sh test" >&2; exit 2; }
done

FOLDER=$(mktemp -d)
PROMETHEUS='' QUESTIONS=''
finish() {
    local process
    for process in $QUESTIONS $PROMETHEUS; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$FOLDER"
}
trap finish EXIT
trap 'exit 1' INT TERM

# The example as it is, but for the target, a haste that a test wants, and nobody to be told.
cp ops/prometheus/*.rules.yml "$FOLDER"
sed -e "s|127\.0\.0\.1:9464|$TARGET|" \
    -e "s|- job_name: stagedoor|&\n    scheme: $SCHEME\n    metrics_path: $METRICS_PATH|" \
    -e '/process: worker/d' \
    -e '/^alerting:/,/^$/d' \
    -e 's/^\( *\(scrape_interval\|scrape_timeout\|evaluation_interval\):\).*/\1 1s/' \
    ops/prometheus/prometheus.example.yml >"$FOLDER/prometheus.yml"
promtool check config "$FOLDER/prometheus.yml" >"$FOLDER/check" 2>&1 || { cat "$FOLDER/check" >&2; exit 1; }

PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file="$FOLDER/prometheus.yml" --storage.tsdb.path="$FOLDER/data" \
    --web.listen-address="127.0.0.1:$PORT" --log.level=warn >"$FOLDER/log" 2>&1 &
PROMETHEUS=$!

ops/grafana/make.py --queries >"$FOLDER/queries"
cat >"$FOLDER/questions.py" <<'END'
import datetime
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

url, process, patience, queries = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
# No proxy stands between us and the loopback interface.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path, **parameters):
    try:
        with opener.open(f"{url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode()) from None


def query(expression):
    return ask("/api/v1/query", query=expression)["result"]


def eventually(what, look):
    """Waits until `look` says that nothing is in the way."""
    until = time.monotonic() + patience
    while True:
        try:
            obstacle = look()
        except (OSError, ValueError) as error:
            obstacle = str(error)
        if not obstacle:
            return
        os.kill(process, 0)  # raises when it has ended
        if time.monotonic() > until:
            sys.exit(f"{what}, after {patience:.0f} s: {obstacle}")
        time.sleep(0.2)


def rules():
    return [rule for group in ask("/api/v1/rules")["groups"] for rule in group["rules"]]


def unreached():
    targets = ask("/api/v1/targets")["activeTargets"]
    errors = [target["lastError"] for target in targets if target["lastError"]]
    if len(targets) == 1 and [sample["value"][1] for sample in query('up{job="stagedoor"}')] == ["1"]:
        return None
    return errors or "not read yet"


def evaluated_at(rule):
    # Go writes more digits than Python reads.
    text = re.sub(r"(\.\d{6})\d*", r"\1", rule["lastEvaluation"]).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp()


def unhealthy(since):
    """A rule that was evaluated before there were figures proves nothing."""
    early = [rule["name"] for rule in rules() if evaluated_at(rule) <= since]
    if early:
        return f"not evaluated yet: {early}"
    bad = [(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules() if rule["health"] != "ok"]
    return bad or (None if rules() else "no rules")


def main():
    eventually("the server isn't up", unreached)
    since = time.time()
    eventually("rules aren't well", lambda: unhealthy(since))
    print(f"rules: {len(rules())}, all well")
    firing = sorted(rule["name"] for rule in rules() if rule.get("state") == "firing")
    print(f"firing: {', '.join(firing) or 'none'}")
    for name in ("stagedoor_reservations_total", "stagedoor_pool_connections", "stagedoor_audit_unsealed"):
        found = len(query(name))
        print(f"{name}: {found} series")
        if not found:
            sys.exit(f"{name} isn't there")
    with open(queries, encoding="utf-8") as lines:
        expressions = lines.read().splitlines()
    for expression in expressions:
        try:
            query(expression)
        except ValueError as error:
            sys.exit(f"a dashboard asks what can't be answered: {expression}: {error}")
    print(f"queries of dashboards: {len(expressions)}, all answered")


main()
END

# In the background, so that a signal is heard at once.
python3 "$FOLDER/questions.py" "http://127.0.0.1:$PORT" "$PROMETHEUS" "$PATIENCE" "$FOLDER/queries" &
QUESTIONS=$!
if ! wait "$QUESTIONS"; then
    echo "Prometheus's log:" >&2
    tail -n 20 "$FOLDER/log" >&2
    exit 1
fi
QUESTIONS=''
