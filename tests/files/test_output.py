import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _helpers.system import limited_file_size, without_privileges

from cpabmm_core.errors import CheckpointError, MediaError, OutputExistsError, ResourceError
from cpabmm_core.files.output import (
    atomic_folder,
    atomic_path,
    check_output,
    check_output_folder,
    write_atomically,
)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


class Interrupted(BaseException):
    """An exception of the kind that ends a program."""


def write_half(path: Path, end: type[BaseException]) -> None:
    with atomic_path(path, force=True) as temporary:
        temporary.write_bytes(b"half")
        raise end


def write_half_a_folder(path: Path, end: type[BaseException]) -> None:
    with atomic_folder(path, force=False) as temporary:
        (temporary / "a.txt").write_text("half")
        raise end


ENDS = [KeyboardInterrupt, SystemExit, MediaError, RuntimeError, Interrupted]


def test_file_appears_complete_and_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with atomic_path(path, force=False) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"first")
        assert not path.exists()
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == {"a.mp4"}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_after_any_end(tmp_path: Path, end: type[BaseException]) -> None:
    with pytest.raises(end):
        write_half(tmp_path / "a.mp4", end)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("end", ENDS)
def test_old_file_survives_any_end(tmp_path: Path, end: type[BaseException]) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(end):
        write_half(path, end)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"a.mp4"}


def test_existing_file_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(OutputExistsError, match="force=True"), atomic_path(path, force=False):
        pytest.fail("the work must not begin")
    with atomic_path(path, force=True) as temporary:
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"


def test_file_that_appears_during_the_work_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    run = atomic_path(path, force=False)
    run.__enter__().write_bytes(b"new")
    path.write_bytes(b"of another run")
    with pytest.raises(OutputExistsError):
        run.__exit__(None, None, None)
    assert path.read_bytes() == b"of another run"
    assert names(tmp_path) == {"a.mp4"}


def test_two_runs_at_once_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with atomic_path(path, force=True) as one, atomic_path(path, force=True) as two:
        assert one != two
        one.write_bytes(b"1")
        two.write_bytes(b"2")


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt", force=False) as temporary:
        temporary.write_text("a")
    (tmp_path / "b.txt").write_text("b")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "a.mp4"
    target.write_bytes(b"old")
    link = tmp_path / "link.mp4"
    link.symlink_to(target)
    with atomic_path(link, force=True) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(MediaError, match="nothing was written"),
        atomic_path(tmp_path / "a.mp4", force=False),
    ):
        pass


@pytest.mark.parametrize("force", [False, True])
def test_impossible_outputs_are_refused_before_work(tmp_path: Path, force: bool) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    troubles = {
        tmp_path / "no" / "a.mp4": "does not exist",
        tmp_path / "file" / "a.mp4": "does not exist",
        tmp_path / "folder.mp4": "is a folder",
        tmp_path / "pipe.mp4": "not a regular file",
        Path("/dev/null"): "not a regular file",
    }
    for path, trouble in troubles.items():
        with pytest.raises(MediaError, match=trouble):
            check_output(path, force=force)


def test_read_only_and_unreachable_folders() -> None:
    with TemporaryDirectory() as name:  # other users may not enter pytest's folders
        folder = Path(name)
        for mode, trouble in ((0o555, "not writable"), (0o000, "cannot be written")):
            folder.chmod(mode)
            with without_privileges(), pytest.raises(MediaError, match=trouble):
                check_output(folder / "a.mp4", force=False)
        folder.chmod(0o755)


def test_output_must_not_be_an_input(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"precious")
    os.link(source, tmp_path / "same.mp4")
    (tmp_path / "link.mp4").symlink_to(source)
    for name in ("a.mp4", "same.mp4", "link.mp4", "../" + tmp_path.name + "/a.mp4"):
        with pytest.raises(MediaError, match="also an input"):
            check_output(tmp_path / name, force=True, inputs=[source])
    check_output(tmp_path / "b.mp4", force=False, inputs=[source, tmp_path / "missing.png"])


@pytest.mark.parametrize("name", ["a b.mp4", "a[1].mp4", "画'\".mp4", "-a.mp4", "x" * 250 + ".mp4"])
def test_any_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with atomic_path(name, force=False) as temporary:
        temporary.write_bytes(b"a")
    assert names(tmp_path) == {name}


def test_full_disk_is_a_resource_error_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        limited_file_size(1000),
        pytest.raises(ResourceError, match="no space"),
        atomic_path(tmp_path / "a.bin", force=False) as temporary,
    ):
        temporary.write_bytes(bytes(2000))
    assert names(tmp_path) == set()


def test_errors_name_the_output_not_the_temporary_file(tmp_path: Path) -> None:
    def fail(temporary: Path) -> None:
        raise ResourceError(f"{temporary}: no space left to write it")

    with (
        pytest.raises(ResourceError, match=rf"^{tmp_path}/a\.mp4: no space"),
        atomic_path(tmp_path / "a.mp4", force=False) as temporary,
    ):
        fail(temporary)
    with (
        pytest.raises(ResourceError, match=rf"^{tmp_path}/set/b\.mp4: no space"),
        atomic_folder(tmp_path / "set", force=False) as temporary,
    ):
        fail(temporary / "b.mp4")


def test_folder_appears_complete_and_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with atomic_folder(path, force=False) as temporary:
        (temporary / "train").mkdir()
        (temporary / "train" / "a.txt").write_text("a")
        assert not path.exists()
    assert (path / "train" / "a.txt").read_text() == "a"
    assert names(tmp_path) == {"set"}


@pytest.mark.parametrize("end", ENDS)
def test_no_folder_is_left_after_any_end(tmp_path: Path, end: type[BaseException]) -> None:
    with pytest.raises(end):
        write_half_a_folder(tmp_path / "set", end)
    assert names(tmp_path) == set()


def test_empty_folder_may_exist_even_as_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set"
    path.mkdir()
    monkeypatch.chdir(path)
    with atomic_folder(".", force=False) as temporary:
        (temporary / "a.txt").write_text("a")
    assert Path("a.txt").read_text() == "a"
    assert names(tmp_path) == {"set"}


def test_folder_with_entries_needs_force_which_replaces_only_written_entries(
    tmp_path: Path,
) -> None:
    path = tmp_path / "set"
    (path / "train").mkdir(parents=True)
    (path / "train" / "old.txt").write_text("old")
    (path / "photo.jpg").write_text("precious")
    with (
        pytest.raises(OutputExistsError, match="force=True"),
        atomic_folder(path, force=False),
    ):
        pytest.fail("the work must not begin")
    with atomic_folder(path, force=True) as temporary:
        (temporary / "train").mkdir()
        (temporary / "train" / "new.txt").write_text("new")
    assert names(path) == {"train", "photo.jpg"}
    assert names(path / "train") == {"new.txt"}
    assert names(tmp_path) == {"set"}


def test_linked_folder_within_an_output_is_unlinked_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "photo.jpg").write_text("precious")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train").symlink_to(tmp_path / "far")
    with atomic_folder(tmp_path / "set", force=True) as temporary:
        (temporary / "train").mkdir()
    assert not (tmp_path / "set" / "train").is_symlink()
    assert names(tmp_path / "far") == {"photo.jpg"}


@pytest.mark.parametrize("force", [False, True])
def test_impossible_folders_are_refused_before_work(tmp_path: Path, force: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "input").mkdir()
    for path, trouble in {
        tmp_path / "no" / "set": "does not exist",
        tmp_path / "file": "is a file",
        tmp_path / "input": "also an input",
    }.items():
        with pytest.raises(MediaError, match=trouble):
            check_output_folder(path, force=force, inputs=[tmp_path / "input"])


def test_bytes_are_written_atomically(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    with limited_file_size(1000), pytest.raises(ResourceError, match="no space"):
        write_atomically(path, bytes(2000))
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == {"a.bin"}


def test_errors_have_the_kind_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist; create it first"):
        write_atomically(tmp_path / "no" / "a.bin", b"", kind=CheckpointError)
    with pytest.raises(CheckpointError, match="is a folder"):
        check_output(tmp_path, force=True, kind=CheckpointError)


def test_private_files_of_libraries_become_ordinary_ones(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt", force=False) as temporary:
        temporary.touch(mode=0o600)
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode
