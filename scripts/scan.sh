#!/usr/bin/env bash
# Scans a running server from outside: the API by its own document, every text for SQL, the headers.
#
#   stagedoor demo --set rate_limit=off --set trusted_proxies=127.0.0.1
#   scripts/scan.sh http://localhost:8080 token.txt [api|sql|headers]
#
# token.txt holds the token of a superadmin's session. Rows are made, changed and deleted, so take
# a system that may be thrown away. With the trusted proxy each sign-in comes from another address,
# else nearly all of them meet the limit that can't be switched off.
# CASES (default 200) is how many cases schemathesis makes at random for each call.
set -euo pipefail

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[[ $# -ge 2 && -r $2 ]] || usage
url=${1%/}
token=$(<"$2")
part=${3:-all}
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
faults=0

need() {
    command -v "$1" >/dev/null && return
    echo "$1 is missing: python3 -m venv .venv && .venv/bin/pip install $1, then put .venv/bin on your PATH" >&2
    exit 2
}

# ---- Every call of the document, as nobody, as staff, and as who holds reservations ----

scan_api() {
    need schemathesis
    local own role left_out
    own=$(curl -sf "$url/api/v1/admin/users" -H "Authorization: Bearer $token" |
        python3 -c 'import json, sys; print(*[it["id"] for it in json.load(sys.stdin)["items"]], sep=",")')
    for role in nobody staff holder; do
        echo "== schemathesis as $role"
        # Staff would sign out in the middle.
        left_out=()
        [[ $role != staff ]] || left_out=(--exclude-operation-id signOut)
        SCAN_URL=$url SCAN_AS=$role SCAN_TOKEN=$token SCAN_KEEP=$own SCHEMATHESIS_HOOKS=scan_hooks \
            PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 \
            schemathesis run "$url/api/v1/openapi.json" --checks all --continue-on-failure \
            --max-examples "${CASES:-200}" "${left_out[@]}" || faults=1
    done
}

# ---- Every parameter, field, segment and header that is read, for SQL ----

# probe NAME ARGUMENTS…: one target; `*` marks what sqlmap wouldn't take for a parameter.
probe() {
    local name=$1 log=$out/log verdict=clean
    shift
    rm -rf "$out/traffic" "$out/session"
    sqlmap --batch --level 1 --risk 1 --flush-session --disable-coloring --timeout 10 --retries 1 \
        --output-dir "$out/session" -t "$out/traffic" --ignore-code '*' "$@" >"$log" 2>&1 || true
    if grep -q 'is vulnerable\|identified the following injection' "$log"; then
        verdict=INJECTABLE
        faults=1
    elif ! grep -q 'all tested parameters do not appear to be injectable' "$log"; then
        verdict="NOT TESTED: $(tail -n 3 "$log" | tr '\n' ' ')"
        faults=1
    fi
    printf '%-26s %3d texts %5d requests  %s\n' "$name" \
        "$(grep -c "parameter '.*does not seem to be injectable" "$log" || true)" \
        "$(grep -c '^HTTP request \[' "$out/traffic" || true)" "$verdict"
}

scan_sql() {
    need sqlmap
    local api=$url/api/v1 bearer="Authorization: Bearer $token" json='Content-Type: application/json'
    local made id opens day='from=2026-01-01&to=2030-01-01'
    made=$(curl -sf "$api/reservations" -H "$json" -d '{"concert_id":1,"quantity":1,"customer_name":"Scan","customer_email":"sqlmap@example.org"}')
    id=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["id"])' "$made")
    opens=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["access_token"])' "$made")

    probe 'shop list' -u "$url/en/?q=a&month=2026-12&venue=hall&status=open&cursor=MjAyNi0xMi0xMi8x"
    probe 'shop language' -u "$url/en*/"
    probe 'shop concert' -u "$url/en/concerts/1*"
    probe 'shop reservation' -u "$url/en/r/$id*?t=$opens"
    probe 'shop hold' -u "$url/en/concerts/1/hold" --data 'quantity=1&customer_name=Scan&customer_email=a@example.org&idempotency_key=k'
    probe 'shop hold, number' -u "$url/en/concerts/1*/hold" --method POST
    probe 'shop extend' -u "$url/en/r/$id*/extend" --method POST
    probe 'shop cancel' -u "$url/en/r/$id*/cancel" --method POST
    probe 'shop theme' -u "$url/theme" --data 'theme=light&return_to=/en/'
    probe 'shop headers' -u "$url/" -H 'Accept-Language: en*' -H 'X-Forwarded-For: 192.0.2.1*'
    probe 'shop cookies' -u "$url/en/r/$id" -H 'Cookie: lang=en*; theme=dark*; stagedoor=x*'

    probe 'concerts' -u "$api/concerts?status=open&q=a&$day&venue=hall&limit=5&cursor=MjAyNi0xMi0xMi8x"
    probe 'concert' -u "$api/concerts/1*" -H 'If-None-Match: "x"*'
    probe 'live' -u "$api/concerts/999999*/live"
    probe 'reserve' -u "$api/reservations" -H "$json" --data '{"concert_id":1,"quantity":1,"customer_name":"Scan","customer_email":"b@example.org"}'
    probe 'reserve, headers' -u "$api/reservations" -H "$json" -H 'Idempotency-Key: k*' -H 'X-Forwarded-For: 192.0.2.1*' \
        --data '{"concert_id":1,"quantity":1,"customer_name":"Scan","customer_email":"c@example.org"}'
    probe 'reservation' -u "$api/reservations/$id*" -H "Authorization: Bearer $opens*"
    probe 'extend' -u "$api/reservations/$id*/extend" --method POST -H "Authorization: Bearer $opens*"
    probe 'cancel' -u "$api/reservations/$id*/cancel" --method POST -H "Authorization: Bearer $opens*"

    probe 'sign in, name' -u "$api/admin/sessions" -H "$json" --tamper xforwardedfor -p username \
        --data '{"username":"nobody","password":"wrong","totp":"1"}'
    probe 'sign in, secrets' -u "$api/admin/sessions" -H "$json" --tamper xforwardedfor -p password,totp \
        --randomize username --data '{"username":"nobody","password":"wrong","totp":"1"}'
    probe 'staff token' -u "$api/admin/users" -H 'Authorization: Bearer x*'
    probe 'confirm totp' -u "$api/admin/totp/confirm" -H "$bearer" -H "$json" --data '{"totp":"123456"}'
    probe 'begin totp' -u "$api/admin/totp" -H "$bearer" -H "$json" --data '{"password":"wrong"}'
    probe 'end totp' -u "$api/admin/totp" --method DELETE -H "$bearer" -H "$json" --data '{"password":"wrong"}'
    probe 'own password' -u "$api/admin/password" -H "$bearer" -H "$json" \
        --data '{"current_password":"wrong","new_password":"quince lantern ferry"}'
    probe 'users' -u "$api/admin/users?limit=5&cursor=MQ" -H "$bearer"
    probe 'new user' -u "$api/admin/users" -H "$bearer" -H "$json" \
        --data '{"username":"scan","email":"d@example.org","role":"moderator","password":"correct horse"}'
    probe 'change user' -u "$api/admin/users/999999*" --method PATCH -H "$bearer" -H "$json" \
        --data '{"email":"e@example.org*","role":"moderator*","password":"correct horse*"}'
    probe 'disable user' -u "$api/admin/users/999999*/disable" --method POST -H "$bearer"
    probe 'sessions of a user' -u "$api/admin/users/999999*/sessions" --method DELETE -H "$bearer"
    probe 'delete user' -u "$api/admin/users/999999*" --method DELETE -H "$bearer"
    probe 'all concerts' -u "$api/admin/concerts?status=open&q=a&$day&venue=hall&deleted=false&limit=5&cursor=MjAyNi0xMi0xMi8x" -H "$bearer"
    probe 'new concert' -u "$api/admin/concerts" -H "$bearer" -H "$json" \
        --data '{"name":"a","artist":"b","date":"2027-01-01","venue":"c","total_tickets":1,"price":"1.00","description":"d","image_url":"/assets/posters/a.svg"}'
    probe 'change concert' -u "$api/admin/concerts/2*" --method PATCH -H "$bearer" -H "$json" -H 'If-Match: "x"*' \
        --data '{"name":"a*","artist":"b*","date":"2027-01-01*","venue":"c*","price":"1.00*","description":"d*","image_url":"/a.svg*"}'
    for what in open close archive; do
        probe "$what concert" -u "$api/admin/concerts/999999*/$what" --method POST -H "$bearer"
    done
    probe 'delete concert' -u "$api/admin/concerts/999999*" --method DELETE -H "$bearer"
    probe 'all reservations' -u "$api/admin/reservations?concert_id=1&status=pending&email=a@example.org&q=a&$day&limit=5&cursor=MTc2NDAwMDAwMDEyMzQ1Ni9SRVMxLTAwMDAwMDAx" -H "$bearer"
    probe 'any reservation' -u "$api/admin/reservations/$id*" -H "$bearer"
    for what in confirm cancel; do
        probe "$what any" -u "$api/admin/reservations/$id*/$what" --method POST -H "$bearer"
    done
    probe 'delete reservation' -u "$api/admin/reservations/RES1-00000000*" --method DELETE -H "$bearer"
    probe 'audit log' -u "$api/admin/audit-logs?table_name=concerts&record_id=1&user_id=1&action=UPDATE&$day&limit=5&cursor=MTc2NDAwMDAwMDEyMzQ1Ni8x" -H "$bearer"
}

# ---- The headers of every kind of answer ----

wanted='content-security-policy x-content-type-options x-frame-options referrer-policy permissions-policy
cross-origin-opener-policy cross-origin-resource-policy cache-control x-request-id'
# What OWASP's list of headers to remove names, and what tells of programs and versions.
unwanted='server x-powered-by x-aspnet-version x-generator via access-control-allow-origin x-xss-protection'

check_headers() {
    local path=$1 name heads missing=''
    shift
    heads=$(curl -s -o /dev/null -D - --max-time 10 "$@" "$url$path" | tr -d '\r' | tr '[:upper:]' '[:lower:]')
    for name in $wanted; do
        grep -q "^$name:" <<<"$heads" || missing+=" without $name"
    done
    for name in $unwanted; do
        ! grep -q "^$name:" <<<"$heads" || missing+=" with $name"
    done
    [[ $url != https:* ]] || grep -q '^strict-transport-security:' <<<"$heads" || missing+=' without strict-transport-security'
    ! grep -q "^content-security-policy:.*unsafe-" <<<"$heads" || missing+=' with an unsafe- source'
    [[ -z $missing ]] || faults=1
    printf '%-34s %s %s\n' "$path" "$(head -n 1 <<<"$heads" | cut -d ' ' -f 2)" "${missing:-fine}"
}

scan_headers() {
    local css
    css=$(curl -s "$url/en/" | grep -o '/assets/[^"]*\.css' | head -n 1)
    for path in / /en/ /en/concerts/1 /en/concerts/999999 /en/r/RES1-00000000 /nothing "$css" /assets/nothing \
        /robots.txt /healthz /readyz /api/v1/openapi.json /api/v1/concerts /api/v1/concerts/1 \
        '/api/v1/concerts?limit=0' /api/v1/reservations/RES1-00000000 /api/v1/nothing /api/v1/admin/users; do
        check_headers "$path"
    done
    check_headers /api/v1/admin/concerts -H "Authorization: Bearer $token"
    check_headers /api/v1/concerts -X DELETE
    check_headers /api/v1/reservations -d '{'
    check_headers /theme -d 'theme=dark&return_to=/en/'
    check_headers /theme -d 'theme=dark' -H 'Origin: https://elsewhere.example'
}

case $part in
api) scan_api ;;
sql) scan_sql ;;
headers) scan_headers ;;
all)
    scan_api
    scan_sql
    scan_headers
    ;;
*) usage ;;
esac
exit "$faults"
