#!/usr/bin/env bash
# Makes a private certificate authority and one certificate for each host, with openssl.
#
#   make-certificates.sh FOLDER NAME=SAN[,SAN…] [NAME=SAN…] …
#   make-certificates.sh /root/stagedoor-ca db1=db1.internal,10.20.2.11,127.0.0.1 db2=…
#
# FOLDER/authority/ca.key    the authority's key: keep it off the machines that it certifies
# FOLDER/NAME/ca.crt         what everybody trusts, host.crt and host.key: what that machine gets
#
# A SAN is a name or an address under which the host is connected to. A database node behind a proxy
# that passes TLS through needs the proxy's names too, or `verify-full` fails at the proxy.
#
# Run again, it changes nothing that is still good. It makes a host's certificate anew when it ends
# within RENEW_DAYS (30), when its SANs are others than it was told, or when RENEW=all is set. So
# renewal is: run it monthly, copy what changed, and reload (PostgreSQL: SELECT pg_reload_conf();
# Patroni: systemctl reload patroni; HAProxy: systemctl reload haproxy; etcd reads them itself).
# The authority lasts ten years. To replace it, put the old and the new ca.crt into one file
# everywhere first, then the new certificates, then take the old one out.
set -euo pipefail
umask 077

HOST_DAYS=${HOST_DAYS:-397}
AUTHORITY_DAYS=${AUTHORITY_DAYS:-3650}
RENEW_DAYS=${RENEW_DAYS:-30}
RENEW=${RENEW:-}

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ||
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

make_authority() {
    local folder=$1
    [[ -s $folder/ca.crt && -s $folder/ca.key ]] && return
    mkdir -p "$folder"
    new_key "$folder/ca.key.new"
    openssl req -x509 -new -key "$folder/ca.key.new" -sha256 -days "$AUTHORITY_DAYS" \
        -subj "/CN=stagedoor private authority $(openssl rand -hex 4)" \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$folder/ca.crt.new"
    mv "$folder/ca.key.new" "$folder/ca.key"
    mv "$folder/ca.crt.new" "$folder/ca.crt"
    echo "made the authority $folder/ca.crt"
}

# DNS:… or IP:… for each, as openssl wants them.
subject_names() {
    local name out=() IFS=,
    for name in $1; do
        if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then out+=("IP:$name"); else out+=("DNS:$name"); fi
    done
    echo "${out[*]}"
}

is_good() { # is_good HOST_FOLDER AUTHORITY NAMES
    local folder=$1 authority=$2 names=$3
    [[ $RENEW != all && -s $folder/host.crt && -s $folder/host.key ]] &&
        [[ $(cat "$folder/names" 2>/dev/null) == "$names" ]] &&
        openssl x509 -in "$folder/host.crt" -noout -checkend $((RENEW_DAYS * 86400)) >/dev/null &&
        openssl verify -CAfile "$authority/ca.crt" "$folder/host.crt" >/dev/null 2>&1
}

make_host() { # make_host FOLDER NAME SANS
    local authority=$1/authority folder=$1/$2 name=$2 names
    names=$(subject_names "$3")
    mkdir -p "$folder"
    cp "$authority/ca.crt" "$folder/ca.crt"
    if is_good "$folder" "$authority" "$names"; then return; fi
    new_key "$folder/host.key.new"
    # Both uses: nodes are servers to clients, and clients to etcd and to each other.
    openssl req -new -key "$folder/host.key.new" -subj "/CN=$name" |
        openssl x509 -req -sha256 -days "$HOST_DAYS" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" \
            -set_serial "0x$(openssl rand -hex 16)" -out "$folder/host.crt.new" -extfile <(
                echo "basicConstraints=critical,CA:FALSE"
                echo "keyUsage=critical,digitalSignature"
                echo "extendedKeyUsage=serverAuth,clientAuth"
                echo "subjectAltName=$names"
            ) 2>/dev/null
    mv "$folder/host.key.new" "$folder/host.key"
    mv "$folder/host.crt.new" "$folder/host.crt"
    echo "$names" >"$folder/names"
    echo "made $folder/host.crt for $names"
}

main() {
    [[ $# -ge 2 ]] || usage
    local folder=$1 host
    shift
    for host in "$@"; do
        [[ $host =~ ^[A-Za-z0-9._-]+=.+$ && $host != authority=* ]] || usage
    done
    mkdir -p "$folder"
    make_authority "$folder/authority"
    for host in "$@"; do
        make_host "$folder" "${host%%=*}" "${host#*=}"
    done
}

main "$@"
