from pathlib import Path

from _helpers.command_line import assert_fails, document_of, output_of
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint.format import save_checkpoint

PARTS = ("keypoint_detector", "background_predictor", "dense_motion", "generator")


def test_document_describes_the_checkpoint(checkpoint: Path) -> None:
    document = document_of("info", checkpoint)
    model = tiny_model()
    assert document["checkpoint"] == str(checkpoint)
    assert document["bytes"] == checkpoint.stat().st_size
    assert (document["kind"], document["motion"]) == ("cpabmm", "cpab")
    assert (document["frame_size"], document["keypoints"]) == (32, 6)
    assert document["widths"] == {
        "dense_motion": {"block_expansion": 4, "max_features": 16, "blocks": 3},
        "generator": {"block_expansion": 4, "max_features": 16, "down_blocks": 2},
    }
    assert document["modes"] == ["standard", "relative"]
    total = sum(weights.numel() for weights in model.parameters())
    assert document["parameters"]["total"] == total
    for part in PARTS:
        numbers = sum(weights.numel() for weights in getattr(model, part).parameters())
        assert document["parameters"][part] == numbers
    assert document["config"] == tiny_config().model_dump(mode="json")
    assert document["record"] == {"steps": 7, "seed": 0}


def test_mode_avd_is_listed_if_it_is_available(tmp_path: Path) -> None:
    path, config = tmp_path / "avd.safetensors", tiny_config(**{"model.avd": {}})
    model = tiny_model(config)
    assert model.avd is not None
    save_checkpoint(path, model, config, record={})
    document = document_of("info", path)
    assert document["modes"] == ["standard", "relative", "avd"]
    numbers = sum(weights.numel() for weights in model.avd.parameters())
    assert document["parameters"]["avd"] == numbers


def test_text_is_lines_of_names_and_values(checkpoint: Path) -> None:
    lines = output_of("info", checkpoint).splitlines()
    assert "kind: cpabmm" in lines
    assert "motion: cpab" in lines
    assert "parameters:" in lines
    assert "  steps: 7" in lines
    assert "    motion: cpab" in lines


def test_other_file_is_one_line_with_exit_code_4(tmp_path: Path, checkpoint: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:1000])
    assert_fails(4, "info", broken, words="broken.safetensors")
    assert_fails(4, "info", tmp_path / "none.safetensors", words="no such file")
    assert_fails(4, "info", "pupets", words="puppets")
