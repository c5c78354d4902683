"""What systemd hears of a process, through a real datagram socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions import service_manager as told_by
from actions.service_manager import ServiceManager
from tests.service_manager import Listener, service_manager


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with service_manager(tmp_path) as listener:
        monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
        yield listener


def test_it_hears_of_the_start_of_life_and_of_the_end(listener: Listener) -> None:
    manager = ServiceManager()
    manager.ready()
    manager.alive()
    manager.ending()
    assert listener.heard() == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_one_sign_of_life_a_second_is_enough(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(told_by, "monotonic", lambda: now)
    manager = ServiceManager()
    for now in (100.0, 100.5, 100.9, 101.0, 101.9, 102.1):  # noqa: B007 -- the clock reads it
        manager.alive()
    assert listener.heard() == ["WATCHDOG=1"] * 3


def test_a_name_in_the_abstract_namespace_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # Linux chooses a name
        name: bytes = listening.getsockname()
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name[1:].decode()}")
        ServiceManager().ready()
        assert listening.recv(100, socket.MSG_DONTWAIT) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nobody/listens/here"])
def test_without_anybody_who_listens_the_work_goes_on(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    manager = ServiceManager()
    manager.ready()
    manager.alive()
    manager.ending()


@pytest.mark.usefixtures("listener")
def test_a_manager_that_does_not_keep_up_holds_nobody_back() -> None:
    manager = ServiceManager()
    for _ in range(2_000):  # far more than a socket's queue takes
        manager.ready()
