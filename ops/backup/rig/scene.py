"""A lab's beginning and end."""

import shutil
from contextlib import contextmanager
from pathlib import Path

from lab import LabError, processes, programs
from lab.account import Account, settle
from lab.layout import ROOT
from lab.lifecycle import alone

from . import clouds as emulators
from .clouds import Clouds
from .machine import Machine
from .place import Place, Ports
from .steps import Steps


@contextmanager
def lab(name: str, binary: Path, steps: Steps):
    """A machine whose shop sells and whose log goes to three repositories; removed at the end."""
    account = Account.choose()
    home = settle(ROOT / ".stagedoor" / "cluster", account)
    place = Place(home / name, Ports.free())
    if not binary.is_file():
        raise LabError(f"{binary} isn't there: cargo build --package stagedoor, or --binary")
    with alone(name):
        machine = Machine(place, account, programs.postgres())
        clear(machine)
        try:
            place.folder.mkdir(mode=0o711 if account.switches else 0o700)
            account.give(place.folder)
            modules = emulators.install(account, home)
            with steps.step("S3, Azure, PostgreSQL that archives, and the shop are set up") as step:
                clouds = Clouds.prepare(place, account, modules)
                clouds.start()
                machine.install(binary, clouds)
                machine.open_shop()
                step.note = "3 repositories, each encrypted with its own passphrase"
            yield machine
        finally:
            clear(machine)


def clear(machine: Machine) -> None:
    """Ends and removes all of it, also of one that broke half-way."""
    folder = machine.place.folder
    if not folder.exists():
        return
    machine.kill()
    processes.stop(processes.find(folder), 5)
    shutil.rmtree(folder)
