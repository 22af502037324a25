#!/usr/bin/env python3
"""What the lab of backups computes without starting anything."""

import sys
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.dont_write_bytecode = True

import rig  # noqa: E402,F401  makes `lab` known
from rig import guide, settings  # noqa: E402
from rig.disaster import Watch  # noqa: E402
from rig.mistake import Accident, Clock  # noqa: E402
from rig.place import Place, Ports  # noqa: E402

from lab import LabError  # noqa: E402
from lab.buyer import Sale  # noqa: E402
from lab.layout import OPS  # noqa: E402

LIST = """# A
## Other
**1. No.** no
## When all is gone

Keep it:

```sh
keep
```

**1. First.** Words `code`.

```sh
one
## no title
```

```sh
two
```

**2. Second**

### A detail
## After
```sh
no
```
"""


def sale(told_at: float | None) -> Sale:
    return Sale("k", "k@example.org", 1, 0.0, 0, 1, told_at, "RES" if told_at else None)


class Guide(unittest.TestCase):
    def test_the_commands_of_one_list_are_found_in_their_order(self):
        found = guide.steps(LIST, "When all is gone")
        self.assertEqual([(step.number, step.title, step.script) for step in found], [
            (0, "before", "keep\n"), (1, "First", "one\n## no title\ntwo\n"), (2, "Second", "")])

    def test_a_missing_chapter_and_wrong_numbers_are_errors(self):
        with self.assertRaisesRegex(LabError, "no chapter"):
            guide.steps(LIST, "Nothing")
        with self.assertRaisesRegex(LabError, "numbered"):
            guide.steps(LIST.replace("**2.", "**3."), "When all is gone")

    def test_the_document_has_its_list_and_restores_in_it(self):
        scripts = [step.script for step in guide.read()]
        self.assertRegex(scripts[0], "(?s)umask 077.*tar .*--create.*gpg --symmetric")
        self.assertEqual(sum("--repo=2 restore" in script for script in scripts), 1)

    def test_every_timer_is_enabled_at_first_and_again_when_all_was_gone(self):
        text = guide.DOCUMENT.read_text()
        timers = sorted(path.name for path in (OPS / "systemd").glob("stagedoor-*.timer"))
        self.assertEqual(len(timers), 4)
        for chapter in ("10. Backups", guide.GONE):
            enabled = [line for line in guide.section(text, chapter) if "systemctl enable" in line]
            for timer in timers:
                self.assertIn(timer, " ".join(enabled), chapter)


class Paths(unittest.TestCase):
    place = Place(Path("/lab/x"), Ports(1, 2, 3, 4))

    def test_the_machines_paths_and_ports_are_the_labs(self):
        for text, mapped in (
            ("cp /etc/a /mnt/safe", "cp /lab/x/machine/etc/a /lab/x/safe"),
            ("x@/y?host=/var/run/postgresql", "x@/y?host=/lab/x/run"),
            ("tar --directory / etc/x", "tar --directory /lab/x/machine etc/x"),
            ("curl 'http://127.0.0.1:8080/readyz'", "curl 'http://127.0.0.1:1/readyz'"),
            ("/usr/lib/postgresql/15/bin /etcetera", "/usr/lib/postgresql/15/bin /etcetera"),
        ):
            self.assertEqual(self.place.mapped(text), mapped)

    def test_a_path_that_no_lab_has_is_a_stranger(self):
        self.assertEqual(self.place.strangers(
            "rm -rf /srv/a '/etc' \"/root\" >/dev/null; ls / /etc/../x; tar --directory / etc/x\n"
            "curl http://127.0.0.1:8080/readyz?for=writes; psql x@/y?host=/var/run/postgresql"),
            ["/srv/a", "/root", "/", "/lab/x/machine/etc/../x"])
        for step in guide.read():
            self.assertEqual(self.place.strangers(step.script), [], step.title)

    def test_what_is_mapped_stays_as_it_is(self):
        text = self.place.mapped("/var/lib/postgresql /etc/stagedoor --directory / a")
        self.assertEqual(self.place.mapped(text), text)
        elsewhere = Place(Path("/var/lib/labs/x"), Ports(1, 2, 3, 4))
        text = elsewhere.mapped("/var/lib/postgresql /etc/stagedoor")
        self.assertEqual(elsewhere.mapped(text), text)


class Configuration(unittest.TestCase):
    clouds = type("Clouds", (), {"azure_key": "a2V5"})()

    def filled(self) -> dict[str, str]:
        text = settings.fill(settings.TEMPLATE.read_text(), settings.values(self.clouds),
                             {"log-path": "/x"})
        lines = [line for line in text.splitlines() if "=" in line and line[0] != "#"]
        self.assertEqual(len(lines), len({line.split("=")[0] for line in lines}))
        return dict(line.split("=", 1) for line in lines)

    def test_the_shipped_template_makes_three_encrypted_repositories_for_thirty_days(self):
        found = self.filled()
        for repo in ("repo1", "repo2", "repo3"):
            self.assertEqual(found[f"{repo}-cipher-type"], "aes-256-cbc")
            self.assertEqual(found[f"{repo}-retention-full-type"], "time")
            self.assertEqual(found[f"{repo}-retention-full"], "30")
        self.assertEqual(len({found[f"repo{n}-cipher-pass"] for n in (1, 2, 3)}), 3)
        self.assertEqual((found["repo2-type"], found["repo3-type"]), ("s3", "azure"))
        self.assertEqual(found["log-path"], "/x")

    def test_a_value_without_a_line_and_a_line_without_a_value_are_errors(self):
        with self.assertRaisesRegex(LabError, "no line for other"):
            settings.fill("compress-type=zst\n", {"other": "1"}, {})
        with self.assertRaisesRegex(LabError, "nobody says"):
            settings.fill("repo1-cipher-pass=CHANGE-ME\ncompress-type=zst\n", {}, {})


class Times(unittest.TestCase):
    def test_only_who_was_told_before_the_second_must_be_in_the_copy(self):
        clock = Clock()
        accident = Accident(clock.at(100.0), {})
        self.assertEqual(accident.target, clock.at(99.0))
        told = clock.told_until([sale(98.9), sale(99.1), sale(None)], accident.target)
        self.assertEqual([one.told_at for one in told], [98.9])
        self.assertLess(abs(datetime.now(timezone.utc) - Clock().at(time.monotonic())),
                        timedelta(seconds=1))

    def test_the_log_covers_what_was_told_before_a_segment_that_is_archived_ended(self):
        watch = Watch(None)
        first, second = f"{1:08X}{0:08X}{5:08X}", f"{1:08X}{0:08X}{6:08X}"
        watch.seen = [(1.0, first), (2.0, first), (3.0, second)]
        self.assertEqual(watch.covered_until(), 0.0)
        watch.archived = first
        self.assertEqual(watch.covered_until(), 2.0)
        # A new timeline's history is archived, too, and covers nothing.
        watch.archived = "00000002.history"
        self.assertEqual(watch.covered_until(), 0.0)


if __name__ == "__main__":
    unittest.main()
