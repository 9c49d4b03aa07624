import errno
import subprocess
import sys
from pathlib import Path

import pytest

from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.files.locks import exclusive_lock

BUSY = DataError("set: another run is writing there; wait for its end")


def test_second_holder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with (
        exclusive_lock(lock, tmp_path, pytest.fail, busy=BUSY),
        pytest.raises(DataError, match="another run is writing there"),
        exclusive_lock(lock, tmp_path, pytest.fail, busy=BUSY),
    ):
        pytest.fail("two processes at once")
    with exclusive_lock(lock, tmp_path, pytest.fail, busy=BUSY):
        pass


def test_waiting_holder_gets_the_lock_of_an_ended_process(tmp_path: Path) -> None:
    lock, entered = tmp_path / "a.lock", tmp_path / "entered"
    code = (
        "import sys, time; from pathlib import Path; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]):\n    Path(sys.argv[2]).touch(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(lock), str(entered)]) as other:
        while not entered.exists():
            assert other.poll() is None
        other.kill()
        with exclusive_lock(lock, tmp_path, pytest.fail, busy=None):
            pass


def test_file_system_without_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("cpabmm_core.files.locks.FileLock.acquire", refuse)
    reported: list[str] = []
    with exclusive_lock(tmp_path / "a.lock", tmp_path, reported.append, busy=BUSY):
        assert reported == [
            f"{tmp_path}: cannot be locked (No locks available); do not start another run there"
        ]


def test_lock_that_cannot_be_created_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("cpabmm_core.files.locks.FileLock.acquire", refuse)
    with (
        pytest.raises(MediaError, match=r"cannot be written \(Permission denied\)"),
        exclusive_lock(tmp_path / "a.lock", tmp_path, pytest.fail, busy=BUSY),
    ):
        pytest.fail("unlocked")
