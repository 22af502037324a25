#!/usr/bin/env python3
"""Keeps etcd's leader off the machine of the primary, so that one death isn't both.

When etcd's leader dies, its successor prolongs every lease by its whole length: a primary that dies
with it is replaced some three seconds later than one that dies alone.
Runs on every node beside Patroni, by its Python, with its settings:

    etcd_apart.py /etc/patroni/patroni.yml

Asks each few seconds; moves leadership only from its own machine, and only while it is the primary.
"""

import argparse
import http.client
import json
import ssl
import sys
import time
from urllib.parse import urlsplit

ANSWER_SECONDS = 2.0
# Whatever a Patroni or an etcd that is starting, ending or joining may answer.
FAULTS = (OSError, http.client.HTTPException, ValueError, KeyError, IndexError)


class Node:
    """This machine's Patroni and etcd, as Patroni's settings name them."""

    def __init__(self, settings: dict):
        self.name = settings["name"]
        self.patroni = settings["restapi"]["connect_address"]
        self.etcd = settings["etcd3"]["hosts"].split(",")
        self.to_patroni = ssl.create_default_context(cafile=settings["restapi"]["cafile"])
        self.to_etcd = ssl.create_default_context(cafile=settings["etcd3"]["cacert"])
        self.to_etcd.load_cert_chain(settings["etcd3"]["cert"], settings["etcd3"]["key"])

    def is_primary(self) -> bool:
        return _ask(self.patroni, "/primary", self.to_patroni)[0] == 200

    def call(self, address: str, path: str, body: dict | None = None) -> dict:
        status, answer = _ask(address, path, self.to_etcd, body or {})
        if status != 200:
            raise OSError(f"etcd at {address} answers {path} with {status}")
        return answer

    def move_leader(self) -> str | None:
        """Gives leadership to another member, when this machine's has it; says to which."""
        members = self._any("/v3/cluster/member/list")["members"]
        own = next((one for one in members if one.get("name") == self.name), None)
        if own is None:
            raise OSError(f"etcd has no member named {self.name}")
        place = urlsplit(own["clientURLs"][0]).netloc
        if self.call(place, "/v3/maintenance/status").get("leader") != own["ID"]:
            return None
        problem = None
        for other in members:
            # A learner can't lead.
            if other is own or other.get("isLearner") or not self._is_well(other):
                continue
            try:
                self.call(place, "/v3/maintenance/transfer-leadership", {"targetID": other["ID"]})
                return other["name"]
            except FAULTS as error:
                problem = error
        if problem:
            raise problem
        return None

    def _any(self, path: str) -> dict:
        problem = OSError("no etcd is named in Patroni's settings")
        for address in self.etcd:
            try:
                return self.call(address.strip(), path)
            except FAULTS as error:
                problem = error
        raise problem

    def _is_well(self, member: dict) -> bool:
        try:
            place = urlsplit(member["clientURLs"][0]).netloc
            status, answer = _ask(place, "/health", self.to_etcd)
            return status == 200 and answer.get("health") == "true"
        except FAULTS:
            return False


def _ask(address: str, path: str, tls: ssl.SSLContext, body: dict | None = None):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host.strip("[]"), int(port), context=tls,
                                             timeout=ANSWER_SECONDS)
    try:
        connection.request("GET" if body is None else "POST", path,
                           None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.status == 200 else {}
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", help="Patroni's, such as /etc/patroni/patroni.yml")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    args = parser.parse_args()
    import yaml  # Patroni's own; the tests of what is above go without
    with open(args.settings, encoding="utf-8") as file:
        settings = yaml.safe_load(file)
    said = ""
    while True:
        try:
            # Made anew, for certificates are renewed while this runs.
            node = Node(settings)
            if node.is_primary() and (name := node.move_leader()):
                print(f"moved etcd's leadership to {name}", file=sys.stderr, flush=True)
            problem = ""
        except FAULTS as error:
            # Patroni or etcd is starting, or gone: others see to that.
            problem = str(error) or type(error).__name__
        if problem and problem != said:
            print(f"can't look: {problem}", file=sys.stderr, flush=True)
        said = problem
        time.sleep(args.every)


if __name__ == "__main__":
    main()
