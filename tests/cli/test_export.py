"""``cpabmm export``: what it prints, what it refuses, and what it leaves behind."""

import subprocess
import sys
from pathlib import Path

import pytest
from _helpers.command_line import assert_fails, assert_leaves_no_file, document_of, run
from _helpers.exported import manifest_of, needs_exporter
from _helpers.tiny_model import tiny_affine_config, tiny_model

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.errors import CheckpointError
from cpabmm_core.export import folder
from cpabmm_core.export.graphs import model_graphs


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    config = tiny_affine_config()
    save_checkpoint(path, tiny_model(config), config, record={})
    return path


def test_a_checkpoint_is_exported(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_exporter()
    monkeypatch.setattr(folder, "model_graphs", lambda model: model_graphs(model)[1:2])
    out = tmp_path / "out"
    document = document_of("export", "--checkpoint", checkpoint, "-o", out)
    assert document.pop("output") == str(out)
    assert document == manifest_of(out)
    assert document["checkpoint"]["file"] == "tiny.safetensors"
    assert {path.name for path in out.iterdir()} == {"encode.onnx", "manifest.json"}


def test_progress_goes_to_stderr_and_the_folder_to_stdout(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_exporter()
    monkeypatch.setattr(folder, "model_graphs", lambda _: [])
    result = run("export", "-c", checkpoint, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'out'}\n"
    assert result.stderr == f"exporting {checkpoint}, motion affine\n"


def test_an_existing_folder_needs_force(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert_leaves_no_file(
        tmp_path, lambda: assert_fails(3, "export", "-o", tmp_path, words="use --force")
    )
    missing = tmp_path / "a" / "b"
    assert_fails(3, "export", "-o", missing, words="create it first")
    assert_fails(3, "export", "-o", tmp_path / "notes.txt", words="is a file")


def test_an_unknown_checkpoint(tmp_path: Path) -> None:
    needs_exporter()
    out = tmp_path / "out"
    for name, words in (("pupets", "did you mean puppets?"), ("a.pth", "no such file")):
        assert_fails(4, "export", "-o", out, "-c", name, words=words)
    (tmp_path / "text.pth").write_text("<!doctype html>")
    assert_fails(4, "export", "-o", out, "-c", tmp_path / "text.pth", words="is a web page")
    assert not out.exists()


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    words = f"needs {package}, which cannot be imported"
    out = tmp_path / "out"
    result = run("export", "-o", out)
    assert_fails(4, "export", "-o", out, words="pip install 'cpabmm[onnx]'")
    assert words in result.stderr
    assert not out.exists()


def test_a_network_that_cannot_be_exported(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_exporter()

    def refuse(*_: object) -> None:
        raise CheckpointError("keypoints: cannot become an ONNX graph", "use another")

    monkeypatch.setattr(folder, "write_graph", refuse)
    out = tmp_path / "out"
    failing = ("export", "-c", checkpoint, "-o", out)
    result = run(*failing)
    assert result.exit_code == 4
    assert result.stderr.endswith("error: keypoints: cannot become an ONNX graph; use another\n")
    assert not [path for path in tmp_path.iterdir() if path != checkpoint]


def test_usage_errors_and_help_load_no_torch() -> None:
    code = (
        "import sys; sys.argv[1:] = ['export']\n"
        "from cpabmm_cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules, 'onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False False\n"
    assert "--output" in done.stderr
