"""What is done, and how many seconds it took."""

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Step:
    name: str
    seconds: float = 0.0
    note: str = ""


@dataclass
class Steps:
    done: list[Step] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str):
        """Times what is done inside, and says so when it is over."""
        step = Step(name)
        started = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        yield step
        step.seconds = time.monotonic() - started
        self.done.append(step)
        say(f"{step.seconds:.1f} s" + (f": {step.note}" if step.note else ""))

    def miss(self, what: str) -> None:
        self.missed.append(what)
        say(f"MISSED {what}")

    def expect(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.miss(what)

    def table(self) -> str:
        """For a terminal and for Markdown alike."""
        lines = ["| step | seconds | |", "|---|--:|---|"]
        lines += [f"| {step.name} | {step.seconds:.1f} | {step.note} |" for step in self.done]
        return "\n".join(lines)


def say(what: str) -> None:
    """More about the last step."""
    print(f"  {what}", file=sys.stderr, flush=True)
