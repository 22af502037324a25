#!/usr/bin/env python3
"""What the lab computes without starting anything."""

import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path

sys.dont_write_bytecode = True

from lab import processes, report, verdict  # noqa: E402
from lab.account import Account, settle, write_private  # noqa: E402
from lab.buyer import Crowd, Read, Sale  # noqa: E402
from lab.configure import render  # noqa: E402
from lab.faults import FAULTS, Outcome, medians_missed  # noqa: E402
from lab.layout import OPS, Layout  # noqa: E402

sys.path.insert(0, str(OPS / "patroni"))
import etcd_apart  # noqa: E402


def told(number: int, at: float) -> Sale:
    return Sale(f"k{number}", f"k{number}@example.org", 1, at, number, 1, at, f"RES{number}")


class Gaps(unittest.TestCase):
    def crowd(self, *times: float) -> Crowd:
        crowd = Crowd("127.0.0.1", 1, 1, "test")
        crowd.sales = [told(number, at) for number, at in enumerate(times)]
        return crowd

    def test_the_longest_gap_reaches_over_both_ends_of_the_span(self):
        crowd = self.crowd(1.0, 2.0, 9.0, 9.5, 30.0)
        self.assertEqual(crowd.longest_gap(3.0, 9.2), 7.0)
        self.assertEqual(crowd.longest_gap(9.1, 9.6), 20.5)

    def test_a_span_without_any_sale_is_a_gap_as_long_as_itself(self):
        self.assertEqual(self.crowd().longest_gap(5.0, 25.0), 20.0)

    def test_gaps_elsewhere_do_not_count(self):
        self.assertEqual(self.crowd(0.0, 50.0, 51.0, 52.0).longest_gap(50.5, 51.5), 1.0)

    def test_reads_belong_to_the_span_in_which_they_began(self):
        crowd = self.crowd()
        crowd.reads = [Read(at, "/en/", 200, 0.1) for at in (1.0, 2.0, 3.0)]
        self.assertEqual([read.at for read in crowd.reads_between(1.5, 3.0)], [2.0, 3.0])


class Apart(unittest.TestCase):
    """Who is given etcd's leadership when the primary's machine has it."""

    MEMBERS = [{"name": f"db{n}", "ID": str(n), "clientURLs": [f"https://db{n}:2379"]}
               for n in (1, 2, 3)]

    def moved(self, own: str, leader: str, well: set[str], refused: tuple[str, ...] = (),
              members: list[dict] | None = None) -> tuple[str | None, list]:
        node, calls = etcd_apart.Node.__new__(etcd_apart.Node), []
        node.name = own

        def call(address, path, body=None):
            calls.append((address, path, body))
            if body and body["targetID"] in refused:
                raise OSError(f"{body['targetID']} isn't given it")
            return {"leader": leader}

        node._any = lambda path: {"members": members or self.MEMBERS}
        node.call = call
        node._is_well = lambda member: member["name"] in well
        return node.move_leader(), [call for call in calls if call[2]]

    def test_leadership_goes_to_a_member_that_is_well(self):
        self.assertEqual(self.moved("db1", "1", {"db1", "db3"}), (
            "db3", [("db1:2379", "/v3/maintenance/transfer-leadership", {"targetID": "3"})]))

    def test_it_stays_where_nobody_else_is_well_and_where_it_is_elsewhere(self):
        self.assertEqual(self.moved("db1", "1", {"db1"}), (None, []))
        self.assertEqual(self.moved("db1", "2", {"db1", "db2", "db3"}), (None, []))

    def test_the_next_one_is_asked_when_one_does_not_take_it(self):
        moved, calls = self.moved("db1", "1", {"db2", "db3"}, refused=("2",))
        self.assertEqual((moved, [call[2]["targetID"] for call in calls]), ("db3", ["2", "3"]))
        with self.assertRaisesRegex(OSError, "3 isn't given it"):
            self.moved("db1", "1", {"db2", "db3"}, refused=("2", "3"))

    def test_a_learner_is_passed_over(self):
        members = [dict(one, isLearner=one["ID"] == "2") for one in self.MEMBERS]
        self.assertEqual(self.moved("db1", "1", {"db2", "db3"}, members=members)[0], "db3")

    def test_a_member_under_another_name_is_told(self):
        with self.assertRaisesRegex(OSError, "no member named db9"):
            self.moved("db9", "1", set())


class Document(unittest.TestCase):
    def test_only_the_section_on_failover_is_exchanged(self):
        new = f"{report.SECTION}\n\nnew\n"
        for old, expected in [
            ("", new),
            ("# P\n\ntext\n", f"# P\n\ntext\n\n{new}"),
            (f"# P\n\n{report.SECTION}\n\nold\n", f"# P\n\n{new}"),
            (f"# P\n\n{report.SECTION}\n\nold\n\n## Then\n\nmore\n",
             f"# P\n\n{new}\n## Then\n\nmore\n"),
        ]:
            self.assertEqual(report.put_section(old, new).strip(), expected.strip(), old)
            again = report.put_section(report.put_section(old, new), new)
            self.assertEqual(again, report.put_section(old, new))


class Promises(unittest.TestCase):
    def test_a_median_is_judged_from_three_runs_on(self):
        outcomes = [Outcome("node-death", "n1", seconds) for seconds in (21.0, 22.0)]
        self.assertEqual(medians_missed(outcomes, 1.0), [])
        outcomes.append(Outcome("node-death", "n2", 19.0))
        self.assertIn("21.0", medians_missed(outcomes, 1.0)[0])
        self.assertEqual(medians_missed(outcomes, 10.0), [])

    def test_what_the_operators_were_promised_is_what_is_judged(self):
        limits = {name: fault.limit for name, fault in FAULTS.items() if fault.limit}
        self.assertEqual(limits, {"switchover": 3.0, "node-death": 25.0, "partition": 30.0,
                                  "standby-frozen": 3.0})


class Templates(unittest.TestCase):
    def test_a_name_without_a_value_and_a_value_without_a_name_are_errors(self):
        self.assertEqual(render.fill("a ${NAME} $x", {"NAME": "b"}), "a b $x")
        with self.assertRaisesRegex(render.Unfit, "no value for NAME"):
            render.fill("${NAME}", {})
        with self.assertRaisesRegex(render.Unfit, "doesn't use OTHER"):
            render.fill("", {"OTHER": "b"})

    def test_the_examples_of_values_fit_their_templates(self):
        for template, values in (("patroni/patroni.yml", "patroni/node"),
                                 ("patroni/etcd.yml", "patroni/etcd"),
                                 ("haproxy/haproxy.cfg", "haproxy/haproxy")):
            text = (OPS / f"{template}.template").read_text()
            filled = render.fill(text, render.read_values(
                (OPS / f"{values}.values.example").read_text()))
            self.assertNotIn("${", filled.replace("${NAME}", ""))

    def test_no_template_has_a_password(self):
        for template in OPS.rglob("*.template"):
            for line in template.read_text().splitlines():
                self.assertNotRegex(line.split("#")[0], r"(?i)password\s*[:=]\s*\S",
                                    template.name)


class Places(unittest.TestCase):
    def test_labs_with_other_offsets_share_no_port(self):
        first, second = (Layout("a", offset, False, Path("/x")) for offset in (0, 1000))
        ports = [{(address, port) for address, port, _ in lab.listeners()}
                 for lab in (first, second)]
        self.assertFalse(ports[0] & ports[1])
        self.assertEqual(len(ports[0]), len(first.listeners()))

    def test_a_url_names_all_nodes_and_whom_to_trust(self):
        layout = Layout("a", 0, False, Path("/x"))
        url = layout.url("me", "p@ss", "direct")
        self.assertEqual(url, "postgresql://me:p%40ss@127.0.1.11:25432,127.0.1.12:25432,"
                         "127.0.1.13:25432/stagedoor?sslmode=verify-full"
                         "&sslrootcert=/x/haproxy/ca.crt&target_session_attrs=read-write")

    def test_secrets_are_never_readable_by_others(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "secret"
            path.write_text("old")
            path.chmod(0o644)
            write_private(path, "new")
            self.assertEqual((path.stat().st_mode & 0o777, path.read_text()), (0o600, "new"))

    def test_the_same_checkout_finds_the_same_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            wanted = Path(folder) / "cluster"
            account = Account.choose()
            self.assertEqual(settle(wanted, account), settle(wanted, account))


class Processes(unittest.TestCase):
    def test_only_marked_processes_are_found_and_ended(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            folder.chmod(0o755)
            (folder / "n1").mkdir(mode=0o755)
            spawner = processes.Spawner(Account(0, 0, False), folder)
            with warnings.catch_warnings():
                # That nobody waits for it is meant.
                warnings.simplefilter("ignore", ResourceWarning)
                spawner.start("n1/etcd", ["sleep", "60"], folder / "log")
            time.sleep(0.2)
            found = processes.find(folder)
            self.assertEqual([process.part for process in found], ["n1/etcd"])
            self.assertEqual(processes.find(folder, ["n2"]), [])
            self.assertEqual(processes.find(folder / "other"), [])
            processes.stop(found, 5)
            self.assertEqual(processes.find(folder), [])


class Verdicts(unittest.TestCase):
    class Primary:
        """Answers what it was told to."""

        def __init__(self, *rows):
            self.rows = [list(row) for row in rows]

        def sql(self, _text):
            return self.rows

    def test_each_kind_of_wrong_is_counted_and_makes_retries_false(self):
        sales = [told(0, 1.0), told(1, 1.0), told(2, 1.0)]
        sales[0].attempts = sales[1].attempts = 3
        rows = [("lost", "RES0"), ("doubled", "k2@example.org"),
                ("oversold", "7", "100", "0", "103"), ("stock", "8", "100", "1", "98")]
        found = verdict.judge(self.Primary(*rows), sales, "test")
        self.assertEqual((found.lost, found.doubled, found.oversold, found.stock_errors),
                         (1, 1, 3, 1))
        self.assertEqual((found.retried, found.retries_that_told_the_truth), (2, 1))
        self.assertFalse(found.is_good())
        self.assertTrue(verdict.judge(self.Primary(), sales, "test").is_good())

    def test_buyers_who_wait_are_not_judged(self):
        sale = Sale("k", "k@example.org", 1, 1.0, 0, 5)
        self.assertEqual(verdict.judge(self.Primary(), [sale], "test").acknowledged, 0)


if __name__ == "__main__":
    unittest.main()
