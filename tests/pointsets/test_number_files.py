import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _helpers.system import without_privileges

from cpabmm_core.errors import DataError
from cpabmm_core.pointsets import (
    read_point_pairs,
    read_points,
    read_transformations,
    read_weights,
)
from cpabmm_core.pointsets.number_files import NumberFile, number_file, read_number_file

SUFFIXES = (".json", ".csv", ".npz")


def text_file(text: str) -> NumberFile:
    return NumberFile("a.txt", ".txt", text.encode())


def assert_refused(path: Path, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_number_file(path, SUFFIXES)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert ";" in message
    assert "\n" not in message


def test_the_suffix_determines_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.JSON").write_text("1")
    assert read_number_file(tmp_path / "a.JSON", SUFFIXES) == NumberFile(
        str(tmp_path / "a.JSON"), ".json", b"1"
    )


def test_a_missing_or_unsuitable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "a").write_text("1")
    assert_refused(tmp_path / "none.json", "no such file")
    assert_refused(tmp_path / "folder.json", "is a folder; give a .json, .csv or .npz file")
    assert_refused(tmp_path / "empty.csv", "is empty")
    assert_refused(tmp_path / "a.txt", "suffix .txt; give a .json, .csv or .npz file")
    assert_refused(tmp_path / "a", "no suffix")
    assert_refused(tmp_path / ("a" * 300 + ".json"), "cannot be read")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1")
    (tmp_path / "a.json").chmod(0)
    with without_privileges():
        assert_refused(tmp_path / "a.json", "cannot be read")


def test_the_content_of_a_pipe_determines_its_format(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"[1]",))
    writer.start()
    assert read_number_file(pipe, SUFFIXES) == NumberFile(str(pipe), ".json", b"[1]")
    writer.join()


@pytest.mark.parametrize("data", [b"", b" \n", b"\xef\xbb\xbf"])
def test_an_empty_stream_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^standard input: is empty; send \.json"):
        number_file(data, "standard input", SUFFIXES)


def test_a_stream_of_another_format_is_refused() -> None:
    with pytest.raises(DataError, match=r"has \.csv content; send \.json content"):
        number_file(b"a,b\n", "standard input", [".json"])


def test_numbers_are_separated_by_spaces_or_commas() -> None:
    numbers = text_file("0.1 0.2\n\n 0.3,\t-4e-1\r\n").numbers()
    np.testing.assert_array_equal(numbers, [[0.1, 0.2], [0.3, -0.4]])


@pytest.mark.parametrize(
    ("text", "words"),
    [("1 2\n3 x\n", "line 2: a field is 'x', not a number"), ("1 2\n3\n", "lengths")],
)
def test_text_other_than_numbers_is_refused(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        text_file(text).numbers()


@pytest.mark.parametrize(
    ("text", "plain"), [("\n0.1 0.2\n", True), ("1,2", True), ("x,y\n1,2", False), ("", True)]
)
def test_a_header_is_distinguished_from_numbers(text: str, plain: bool) -> None:
    assert text_file(text).is_plain_numbers() is plain


def test_every_reader_takes_a_path(tmp_path: Path) -> None:
    pairs = b'{"source": [[0.5, 0.5]], "target": [[0.6, 0.5]]}'
    theta = (
        b'{"schema": 1, "cells": [1, 1], "boundary": "free", "volume_preserving": false,'
        b'"transformations": [{"name": "a", "theta": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}]}'
    )
    readers: list[tuple[Callable[[Path | NumberFile], object], bytes]] = [
        (read_points, b"[[0.5, 0.25]]"),
        (read_weights, b"[1, 2]"),
        (lambda file: read_point_pairs(file)[0].source, pairs),
        (lambda file: read_transformations(file).thetas(), theta),
    ]
    path = tmp_path / "a.json"
    for read, data in readers:
        path.write_bytes(data)
        np.testing.assert_array_equal(read(path), read(NumberFile("a", ".json", data)))
