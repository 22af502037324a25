#!/usr/bin/env bash
# Makes sure that the programs a group needs are there: install-packages.sh run|cluster|backup|test …
#   run      PostgreSQL's server programs, a C compiler (for the TLS library), Rust
#   cluster  run, and what the lab of ops/cluster needs: etcd, HAProxy, Python with venv, ip, openssl
#   backup   run, and what the lab of ops/backup needs: pgBackRest, Node.js, Python, openssl, curl, gpg
#   test     cluster and backup, and Chromium, Thai fonts, nft for the packet filter's tests, promtool
#            for those of alerts, faketime for what backups' age does, and what reads tickets: zbarimg,
#            qpdf, poppler's programs, rsvg-convert
# What is there is left alone, without any network call.
# As root on Debian or Ubuntu it installs the rest; otherwise it prints the line that does, and exits 1.
set -euo pipefail

RUST_MIN=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)
NODE_MIN=20 # what Playwright asks for

have() { command -v "$1" >/dev/null 2>&1; }

have_postgresql() {
    local initdb
    for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb; do
        [[ -n $initdb && -x $initdb ]] && return 0
    done
    return 1
}

have_chromium() { have chromium || have chromium-browser || have google-chrome; }

have_thai_font() {
    if have fc-list; then
        [[ -n $(fc-list :lang=th family 2>/dev/null) ]]
    else
        compgen -G '/usr/share/fonts/truetype/tlwg/*' >/dev/null ||
            compgen -G '/usr/share/fonts/truetype/noto/NotoSansThai*' >/dev/null
    fi
}

# Debian keeps it where only root looks.
have_nft() { have nft || [[ -x /usr/sbin/nft ]]; }

have_pgbackrest() { have pgbackrest; }
have_promtool() { have promtool; }
have_zbarimg() { have zbarimg; }
have_qpdf() { have qpdf; }
have_poppler() { have pdftoppm && have pdftotext && have pdfinfo && have pdffonts; }
have_rsvg() { have rsvg-convert; }
have_faketime() { have faketime; }
have_etcd() { have etcd; }
have_haproxy() { have haproxy || [[ -x /usr/sbin/haproxy ]]; }
have_ip() { have ip || [[ -x /usr/sbin/ip ]]; }
have_openssl() { have openssl; }
have_curl() { have curl; }
have_gpg() { have gpg; }
have_python() { python3 -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null; }
have_venv() {
    python3 -c 'import ensurepip, sys, venv; assert sys.version_info >= (3, 11)' 2>/dev/null
}
# Patroni runs as PostgreSQL's user, who may not reach a Python of root's own.
have_system_venv() {
    if [[ $(id -u) -eq 0 && -x /usr/bin/python3 ]]; then
        PATH=/usr/bin:/bin have_venv
    else
        have_venv
    fi
}
# The wire to PostgreSQL is spoken with psql, and pg_rewind belongs to the server.
have_database_tools() {
    local folder
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$(dirname "$(command -v initdb || echo /)")"; do
        [[ -x $folder/psql && -x $folder/pg_rewind && -x $folder/pg_basebackup ]] && return 0
    done
    return 1
}

have_node() {
    have npm && have node && [[ $(node -p 'process.versions.node.split(".")[0]') -ge $NODE_MIN ]]
}

have_rust() {
    have cargo && have rustc &&
        [[ $(printf '%s\n%s\n' "$RUST_MIN" "$(rustc --version | cut -d' ' -f2)" |
            sort -V | head -n 1) == "$RUST_MIN" ]]
}

packages=() # Debian's names of what is missing
programs=() # the same for people on other systems
declare -A checked=() # groups have much in common

need() { # need CHECK PROGRAM PACKAGE…
    local check=$1 program=$2
    shift 2
    [[ -z ${checked[$check]-} ]] || return 0
    checked[$check]=yes
    if ! "$check"; then
        programs+=("$program")
        packages+=("$@")
    fi
}

have_cc() { have cc; }
need_run() {
    need have_postgresql "PostgreSQL 15 or newer (initdb, postgres)" postgresql
    need have_cc "a C compiler (cc)" gcc libc6-dev
}
need_cluster() {
    need_run
    need have_database_tools "psql, pg_rewind and pg_basebackup" postgresql
    need have_etcd "etcd 3.4 or newer" etcd-server
    need have_haproxy "HAProxy 2.6 or newer" haproxy
    need have_system_venv "Python 3.11 or newer with venv" python3-venv
    need have_ip "ip" iproute2
    need have_openssl "openssl" openssl
}
need_backup() {
    need_run
    need have_database_tools "psql" postgresql
    need have_pgbackrest "pgBackRest 2.45 or newer" pgbackrest
    need have_node "Node.js $NODE_MIN or newer with npm" nodejs npm
    need have_python "Python 3.11 or newer" python3
    need have_openssl "openssl" openssl
    need have_curl "curl" curl
    need have_gpg "gpg" gnupg
}
need_test() {
    need_cluster
    need_backup
    need have_chromium "Chromium" chromium
    need have_thai_font "a font with Thai letters" fonts-noto-core
    need have_nft "nft" nftables
    need have_promtool "promtool of Prometheus 2.42 or newer" prometheus
    need have_zbarimg "zbarimg of ZBar" zbar-tools
    need have_qpdf "qpdf" qpdf
    need have_poppler "pdftoppm, pdftotext, pdfinfo and pdffonts of poppler" poppler-utils
    need have_rsvg "rsvg-convert of librsvg" librsvg2-bin
    need have_faketime "faketime" faketime
}

# Debian starts the services of PostgreSQL, etcd, HAProxy and Prometheus when they are installed, now
# and after each start of the machine. We need the programs alone, so drop-in files say no while we
# install, and go away again: later installations are as usual.
install_packages() {
    local drop_in=/etc/postgresql-common/createcluster.d/stagedoor-install.conf
    local policy=/usr/sbin/policy-rc.d
    mkdir -p "$(dirname "$drop_in")"
    echo 'create_main_cluster = false' >"$drop_in"
    # A policy that is there already is its owner's.
    if [[ -e $policy ]]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; fi
    trap "rm -f '$drop_in' ${policy:+'$policy'}" EXIT
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -y -q --no-install-recommends "$@"
    local package
    for package in "$@"; do
        case $package in
            etcd-server) disable_service etcd ;;
            haproxy | prometheus) disable_service "$package" ;;
        esac
    done
}

disable_service() {
    if have systemctl; then systemctl --quiet disable "$1" || true; fi
}

main() {
    local group
    [[ $# -gt 0 ]] || { echo "usage: $0 run|cluster|backup|test …" >&2; exit 2; }
    for group in "$@"; do
        case $group in
            run) need_run ;;
            cluster) need_cluster ;;
            backup) need_backup ;;
            test) need_test ;;
            *) echo "$0: no group $group; there are run, cluster, backup and test" >&2; exit 2 ;;
        esac
    done

    if [[ ${#packages[@]} -gt 0 ]]; then
        if ! have apt-get; then
            printf 'Please install: %s\n' "${programs[@]}" >&2
            exit 1
        elif [[ $(id -u) -ne 0 ]]; then
            echo "Some programs are missing. Please run:" >&2
            echo "  sudo $(realpath "$0") $*" >&2
            echo "(it installs: ${packages[*]})" >&2
            exit 1
        fi
        install_packages "${packages[@]}"
    fi
    if [[ " $* " == *" test "* || " $* " == *" backup "* ]] && ! have_node; then
        echo "Node.js $NODE_MIN or newer is missing, and this system packages an older one;" \
            "see https://nodejs.org/en/download" >&2
        exit 1
    fi

    # Debian's Rust is too old, and a toolchain belongs to its user: this one isn't for apt.
    if ! have_rust && [[ $(id -u) -ne 0 || -z ${SUDO_USER:-} ]]; then
        echo "Rust $RUST_MIN or newer is missing; see https://rustup.rs, then: rustup update stable" >&2
        exit 1
    fi
}

main "$@"
