"""The commands of a numbered list in docs/operations.md: what is written is what is tried."""

import re
from dataclasses import dataclass

from lab import LabError
from lab.layout import ROOT

DOCUMENT = ROOT / "docs" / "operations.md"
GONE = "When everything is gone"
_STEP = re.compile(r"^\*\*(\d+)\. (.+?)[.,]?\*\*")


@dataclass
class Step:
    """One of the list; `script` are all its commands."""

    number: int
    title: str
    script: str = ""


def section(text: str, title: str) -> list[str]:
    """The lines of a chapter, without its title."""
    lines = text.splitlines()
    try:
        wanted = re.compile(f"#+ {re.escape(title)}")
        start = next(number for number, line in enumerate(lines) if wanted.fullmatch(line))
    except StopIteration:
        raise LabError(f"{DOCUMENT.name} has no chapter {title!r}") from None
    level = len(lines[start].split()[0])
    rest = lines[start + 1:]
    fenced = False
    for number, line in enumerate(rest):
        fenced ^= line.startswith("```")
        if not fenced and re.match(f"#{{1,{level}}} ", line):
            return rest[:number]
    return rest


def steps(text: str, title: str = GONE) -> list[Step]:
    """The list's steps, in order; a block of commands before the first one has the number 0."""
    found = [Step(0, "before")]
    inside = False
    for line in section(text, title):
        if inside:
            inside = line != "```"
            if inside:
                found[-1].script += line + "\n"
        elif line == "```sh":
            inside = True
        elif match := _STEP.match(line):
            found.append(Step(int(match[1]), match[2]))
    numbers = [step.number for step in found]
    if numbers != list(range(len(found))) or len(found) < 2:
        raise LabError(f"{DOCUMENT.name}, {title}: its steps are numbered {numbers[1:]}")
    return found


def read(title: str = GONE) -> list[Step]:
    return steps(DOCUMENT.read_text(encoding="utf-8"), title)
