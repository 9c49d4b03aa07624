import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from _helpers.odd_files import configurations as odd

from cpabmm_core.config import Config, config_from_dict, load_config
from cpabmm_core.config.yaml_format import YamlProblem, read_yaml, write_yaml
from cpabmm_core.errors import ConfigError

Maker = Callable[[Path], None]

REFUSED: list[tuple[Maker, str]] = [
    (odd.make_key_twice, "gives training.batch_size twice, in lines 2 and 4; remove one"),
    (odd.make_section_twice, "gives model twice, in lines 1 and 4; remove one"),
    (odd.make_sexagesimal, "training.batch_size: should be a valid integer, .* got '1:30'"),
    (odd.make_tabs, "not valid YAML in line 2 .*; indent with spaces, not tabs"),
    (odd.make_null_character, "is not valid YAML .*#x0000"),
    (odd.make_alias_bomb, "has more than 100000 values"),
    (odd.make_merge_bomb, "has more than 100000 values"),
    (odd.make_alias_in_itself, "has an alias of line 1 inside of line 1"),
    (odd.make_deep_nesting, "is nested too deeply"),
    (odd.make_huge_file, "has 2800000 bytes, but a configuration has at most 1000000"),
    (odd.make_two_documents, "not valid YAML in line 2 .*single document"),
    (odd.make_python_object, "not valid YAML in line 1 .*python/object/apply:os.system"),
    (odd.make_bad_number_tag, "is not valid YAML .*'four'"),
    (odd.make_huge_number, "is not valid YAML .*4300 digits"),
    (odd.make_long_value, r"training.batch_size: .* got 'many many .*\.\.\.$"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_trouble_is_one_short_line_that_names_file_and_place(
    make: Maker, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    make(path)
    start = time.perf_counter()
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(path)
    assert time.perf_counter() - start < 5
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not Path("executed").exists()


@pytest.mark.parametrize("make", [odd.make_byte_order_mark, odd.make_utf_16])
def test_text_with_a_byte_order_mark_is_read(make: Maker, tmp_path: Path) -> None:
    make(tmp_path / "own.yaml")
    assert load_config(tmp_path / "own.yaml").training.batch_size == 5


def test_values_mean_what_they_look_like(tmp_path: Path) -> None:
    odd.make_yaml_1_1_values(tmp_path / "own.yaml")
    config = load_config(tmp_path / "own.yaml")
    assert config.training.batch_size == 10
    assert config.training.learning_rate == 1e-4
    assert config.data.identity_sampling is False
    assert load_config("vox-256", ["data.identity_sampling=no"]).data.identity_sampling is False


def test_merge_keys_apply_and_are_no_duplicates(tmp_path: Path) -> None:
    odd.make_merged_sections(tmp_path / "own.yaml")
    config = load_config(tmp_path / "own.yaml")
    assert (config.avd.batch_size, config.avd.epochs) == (3, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("0o17", 15),
        ("0x1F", 31),
        ("-007", -7),
        ("1e3", 1000.0),
        ("+.5", 0.5),
        ("-.INF", float("-inf")),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1:30", "1:30"),
        ("2026-11-27", "2026-11-27"),
        ("'1'", "1"),
        ("=", "="),
    ],
)
def test_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    """The examples follow the tag resolution of section 10.3.2 of the specification."""
    assert read_yaml(text) == value
    assert type(read_yaml(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "1e-4", "0o7", "010", "1:30", "2026-11-27", "~", "", "true", "<<", "a: b", "\t"]
)
def test_written_text_is_read_as_text_by_both_versions(text: str) -> None:
    written = write_yaml({"key": text})
    assert read_yaml(written) == yaml.safe_load(written) == {"key": text}


def test_keys_in_flow_mappings_and_lists_are_checked() -> None:
    with pytest.raises(YamlProblem, match=r"gives a\[1\]\.b twice, in line 1; remove one"):
        read_yaml("a: [1, {b: 1, c: 2, 'b': 3}]")
    with pytest.raises(YamlProblem, match=r"gives y\.<< twice"):
        read_yaml("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x")
    assert read_yaml("{1: a, '1': b}") == {1: "a", "1": "b"}


def test_the_later_of_two_overrides_applies() -> None:
    assert load_config("vox-256", ["training.seed=1", "training.seed=2"]).training.seed == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>404</html>", "is a web page; download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid x\n", "is a Git LFS pointer"),
    ],
)
def test_content_that_replaces_a_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "own.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_config(tmp_path / "own.yaml")


def test_a_folder_is_named_unless_it_hides_a_shipped_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("vox-256", "mine"):
        (tmp_path / name).mkdir()
    assert load_config("vox-256") != Config()
    with pytest.raises(ConfigError, match="mine: is a folder; give a YAML file"):
        load_config("mine")


def test_long_values_of_dictionaries_are_cut() -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_dict({"training": {"x" * 5000: 1}}, "a run")
    assert len(str(caught.value)) < 1000
