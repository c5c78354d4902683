"""Machines of a network that is not there: namespaces of Linux, which root may make.

Each machine has a cable to the database's, with addresses that no other namespace sees. A cut is
silent, as when a machine loses its power or a switch dies: packets are lost and nobody is told.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from tradingrules.embedded import launch
from tradingrules.embedded.cluster import Cluster

_IP = shutil.which("ip") or ""
NOWHERE = "02:00:00:00:00:01"  # an address of no network card


class OnTheNetwork(launch.Server):
    """PostgreSQL that listens to TCP too, in whatever namespace it is started."""

    def _command(self) -> list[str]:
        return [*super()._command(), "-c", "listen_addresses=*"]


@dataclass(frozen=True)
class Machine:
    """One of the machines: `address` is its own, `server` the database's as it sees it."""

    name: str
    database: str
    address: str
    server: str

    def start(
        self, *arguments: str, log: Path, environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        """Runs `manage.py` with these arguments on this machine."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [_IP, "netns", "exec", self.name, sys.executable, "manage.py", *arguments],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def cut(self) -> None:
        """From now on nothing arrives, in either direction."""
        for machine, device, other in self._ends():
            entry = (other, "lladdr", NOWHERE, "dev", device, "nud", "permanent")
            _ip("-n", machine, "neigh", "replace", *entry)

    def heal(self) -> None:
        for machine, device, other in self._ends():
            _ip("-n", machine, "neigh", "del", other, "dev", device)

    def _ends(self) -> tuple[tuple[str, str, str], ...]:
        there = (self.database, self.name, self.address)
        return (self.name, "eth0", self.server), there


@contextmanager
def machines(count: int) -> Iterator[tuple[str, list[Machine]]]:
    """The name of the database's machine, and those that have a cable to it.

    Skips the test where namespaces may not be made; with REQUIRE_NAMESPACES=1 it fails there.
    """
    if why := _why_not():
        if os.environ.get("REQUIRE_NAMESPACES"):
            pytest.fail(why)
        pytest.skip(why)
    base = f"tr{os.getpid()}"
    with ExitStack() as stack:
        database = f"{base}d"
        _begin(stack, database)
        made = []
        for number in range(1, count + 1):
            name = f"{base}m{number}"
            network = f"10.231.{number}"
            machine = Machine(name, database, f"{network}.2", f"{network}.1")
            _begin(stack, name)
            _connect(machine)
            made.append(machine)
        yield database, made


@contextmanager
def running_on(machine: str, cluster: Cluster) -> Iterator[None]:
    """The server of this cluster, for whoever is on the network of this machine."""
    with patch.object(launch, "Server", OnTheNetwork), _inside(machine):
        cluster.ensure_running()
    try:
        with (cluster.data / "pg_hba.conf").open("a") as access:
            access.write("host all all 10.231.0.0/16 trust\n")
        with psycopg.connect(cluster.url(), autocommit=True) as asking:
            asking.execute("SELECT pg_reload_conf()")
        yield
    finally:
        cluster.stop(at_once=True)


@contextmanager
def _inside(machine: str) -> Iterator[None]:
    """This thread, and what it starts, is in the machine's network."""
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    theirs = os.open(f"/run/netns/{machine}", os.O_RDONLY)
    try:
        os.setns(theirs, os.CLONE_NEWNET)
        yield
    finally:
        os.setns(ours, os.CLONE_NEWNET)
        os.close(ours)
        os.close(theirs)


def _why_not() -> str:
    """Why no namespaces can be made here; nothing where they can."""
    if not _IP:
        return "the command ip is not installed (Debian: iproute2)"
    probe = f"tr{os.getpid()}p"
    tried = subprocess.run(
        [_IP, "netns", "add", probe], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        return f"network namespaces may not be made here: {tried.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


def _begin(stack: ExitStack, name: str) -> None:
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "del", name)
    _ip("-n", name, "link", "set", "lo", "up")


def _connect(machine: Machine) -> None:
    cable = ("type", "veth", "peer", "name", machine.name, "netns", machine.database)
    _ip("-n", machine.name, "link", "add", "eth0", *cable)
    for end, device, address in (
        (machine.name, "eth0", machine.address),
        (machine.database, machine.name, machine.server),
    ):
        _ip("-n", end, "address", "add", f"{address}/24", "dev", device)
        _ip("-n", end, "link", "set", device, "up")


def _ip(*arguments: str) -> None:
    subprocess.run([_IP, *arguments], check=True, capture_output=True, timeout=120)
