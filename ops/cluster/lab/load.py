"""The load of a trial: `stagedoor rush`, which also proves its own buyers' answers."""

import json
import subprocess
import threading

from .lifecycle import Lab

# It can't be told to end early, so one that would go on after the last fault is short.
SECONDS_MIN = 10
# Its buyers' last answers, the settling and the verdict.
END_SECONDS = 150


class Load:
    """One crowd for the whole trial; another follows if the trial takes longer than planned."""

    def __init__(self, lab: Lab, rate: int):
        self.lab = lab
        self.rate = rate
        self.reports: list[dict] = []
        self.errors: list[str] = []
        self._child: subprocess.Popen | None = None
        self._reader: threading.Thread | None = None

    def start(self, seconds: float) -> None:
        layout = self.lab.layout
        command = [
            str(self.lab.product.binary), "rush", "--url", layout.base_url,
            "--duration", f"{max(SECONDS_MIN, int(seconds))}s", "--rate", str(self.rate),
            "--concurrency", "64", "--tickets", "500000", "--quantity", "1-4", "--repeat", "10",
            "--patience", "120s", "--json",
        ]
        account = self.lab.account
        prefix = account.prefix()
        self._child = subprocess.Popen(
            [*prefix, *command], cwd=layout.folder, env=self.lab.product.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self._reader = threading.Thread(target=self._collect, args=(self._child,), daemon=True)
        self._reader.start()

    def _collect(self, child: subprocess.Popen) -> None:
        said, complained = child.communicate()
        try:
            report = json.loads(said)
        except ValueError:
            self.errors.append(f"rush ended with {child.returncode}: {complained.strip()[-1500:]}")
            return
        self.reports.append(report)
        if child.returncode != 0:
            self.errors.append(f"rush's verdict is bad: {report.get('faults') or report}")

    def keep_up(self, seconds: float) -> None:
        """Goes on for so long, if it has ended."""
        if self._child and self._child.poll() is not None and not self.errors:
            self.start(seconds)

    def finish(self) -> None:
        if not self._child:
            return
        self._reader.join(END_SECONDS + self._rest())
        if self._reader.is_alive():
            self.errors.append("rush didn't end")
            self.stop()

    def _rest(self) -> float:
        return 0.0 if self._child.poll() is not None else 600.0

    def stop(self) -> None:
        if self._child and self._child.poll() is None:
            self._child.kill()

    def to_json(self) -> dict:
        keys = ("admitted", "refused", "unknown_resolved", "unanswered", "per_second",
                "oversold", "lost", "doubled", "inventory_errors", "unmarked_replays", "ok")
        return {
            "rate": self.rate,
            "reports": [{key: report.get(key) for key in keys} for report in self.reports],
            "errors": self.errors,
        }

