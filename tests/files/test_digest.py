import hashlib
from pathlib import Path

from cpabmm_core.files.digest import file_sha256, files_sha256


def test_digest_of_a_file_larger_than_a_chunk(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_digest_of_several_files_is_that_of_their_concatenation(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first ")
    (tmp_path / "b").write_bytes(b"second")
    expected = hashlib.sha256(b"first second").hexdigest()
    assert files_sha256([tmp_path / "a", tmp_path / "b"]) == expected
