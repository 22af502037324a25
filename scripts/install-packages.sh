#!/usr/bin/env bash
# Makes sure that the programs a group needs are there: install-packages.sh run|test …
#   run   PostgreSQL's server programs, a C compiler (for the TLS library), Rust
#   test  run, and Chromium, Thai fonts, Node.js for the browser tests, nft for the packet filter's
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

need() { # need CHECK PROGRAM PACKAGE…
    local check=$1 program=$2
    shift 2
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
need_test() {
    need_run
    need have_chromium "Chromium" chromium
    need have_thai_font "a font with Thai letters" fonts-noto-core
    need have_nft "nft" nftables
    need have_node "Node.js $NODE_MIN or newer with npm" nodejs npm
}

# Debian starts a server on port 5432 when PostgreSQL is installed. We need the programs alone, so
# a drop-in file says no while we install, and goes away again: later installations are as usual.
install_packages() {
    local drop_in=/etc/postgresql-common/createcluster.d/stagedoor-install.conf
    mkdir -p "$(dirname "$drop_in")"
    echo 'create_main_cluster = false' >"$drop_in"
    trap 'rm -f "'"$drop_in"'"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -y -q --no-install-recommends "$@"
}

main() {
    local group
    [[ $# -gt 0 ]] || { echo "usage: $0 run|test …" >&2; exit 2; }
    for group in "$@"; do
        case $group in
            run) need_run ;;
            test) need_test ;;
            *) echo "$0: no group $group; there are run and test" >&2; exit 2 ;;
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
    if [[ " $* " == *" test "* ]] && ! have_node; then
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
