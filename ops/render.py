#!/usr/bin/env python3
"""Fills a template: every ${NAME} becomes the value of NAME.

    ops/render.py VALUES TEMPLATE [--output FILE]

With --output the file is replaced as a whole, and only if everything is right; else it goes to stdout.
VALUES is a file of NAME=value lines; `#` begins a comment line.
A name in the template without a value is an error, and so is a value that the template doesn't use,
which is most often a typing error. Secrets don't belong here: templates have none.
"""

import os
import re
import stat
import sys
from pathlib import Path

NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class Unfit(Exception):
    """Values and template don't fit each other."""


def fill(template: str, values: dict[str, str]) -> str:
    """The template with its values; raises `Unfit` for missing and for unused ones."""
    used = set(NAME.findall(template))
    if missing := used - values.keys():
        raise Unfit("no value for " + ", ".join(sorted(missing)))
    if unused := values.keys() - used:
        raise Unfit("the template doesn't use " + ", ".join(sorted(unused)))
    return NAME.sub(lambda found: values[found.group(1)], template)


def read_values(text: str) -> dict[str, str]:
    """The NAME=value lines of a file."""
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name.strip()):
            raise Unfit(f"line {number} isn't NAME=value")
        values[name.strip()] = value.strip()
    return values


def replace(path: Path, text: str) -> None:
    """Keeps owner and mode of a file that is there; a new one is for everybody to read."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    if path.exists():
        before = path.stat()
        os.chmod(beside, stat.S_IMODE(before.st_mode))
        os.chown(beside, before.st_uid, before.st_gid)
    os.replace(beside, path)


def main() -> int:
    given = sys.argv[1:]
    if len(given) not in (2, 4) or (len(given) == 4 and given[2] != "--output"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        values = read_values(Path(given[0]).read_text(encoding="utf-8"))
        text = fill(Path(given[1]).read_text(encoding="utf-8"), values)
        if len(given) == 4:
            replace(Path(given[3]), text)
        else:
            sys.stdout.write(text)
    except (OSError, Unfit) as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
