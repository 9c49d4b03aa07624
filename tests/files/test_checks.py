import errno
import os
from pathlib import Path

import pytest
from _helpers.system import without_privileges

from cpabmm_core.errors import CheckpointError, DataError, MediaError, ResourceError
from cpabmm_core.files.checks import is_disk_full, one_line, require_file, write_error


def test_readable_file_gives_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 4)
    assert require_file(path) == (bytes(range(256)) * 4)[:512]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; copy or download it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "is a Git LFS pointer, not the file itself; run `git lfs pull`",
        ),
        (b"<!DOCTYPE html>\n<html>", "is a web page; download the file itself"),
        (b"\xef\xbb\xbf\n  <HTML lang='en'>", "is a web page; download the file itself"),
    ],
)
def test_content_of_the_wrong_kind_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        require_file(path, error=DataError)
    assert str(caught.value) == f"{path}: {message}"


def test_other_markup_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"<?xml version='1.0'?><numbers/>")
    assert require_file(path).startswith(b"<?xml")


def test_paths_that_lead_to_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, trouble in {
        tmp_path: "is a folder; give a checkpoint",
        tmp_path / "pipe": "is not a regular file; give a checkpoint",
        tmp_path / "none": "no such file; check the path",
        tmp_path / "nu\0l": "cannot be opened (embedded null byte)",
        tmp_path / ("x" * 300): "cannot be opened (File name too long)",
    }.items():
        with pytest.raises(CheckpointError) as caught:
            require_file(path, error=CheckpointError, expected="a checkpoint")
        assert str(caught.value).startswith(f"{path}: {trouble}")


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"secret")
    path.chmod(0)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    with without_privileges(), pytest.raises(MediaError, match="permission denied"):
        require_file(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_exhausted_storage_is_a_resource_error(number: int) -> None:
    error = OSError(number, "no more")
    assert is_disk_full(error)
    assert isinstance(write_error(Path("a"), error, CheckpointError), ResourceError)


def test_other_write_errors_have_the_kind_of_the_caller() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/tmp/secret")
    assert not is_disk_full(error)
    raised = write_error(Path("a.bin"), error, CheckpointError)
    assert isinstance(raised, CheckpointError)
    assert str(raised) == "a.bin: cannot be written (Permission denied)"


def test_foreign_messages_become_one_line() -> None:
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(ValueError()) == "ValueError"


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\x00b", "a\udc97b", "a\u2028b", "a\nb" * 1000])
def test_foreign_messages_become_one_short_printable_line(text: str) -> None:
    line = one_line(ValueError(text))
    assert line.isprintable()
    assert line.startswith("a")
    assert len(line) < 500
