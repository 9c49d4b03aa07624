"""The scripts and files in `examples`, run like a reader of README.md does."""

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.command_line import output_of
from PIL import Image
from typer.testing import CliRunner, Result

from cpabmm_core.media.image import read_image
from cpabmm_core.media.video import VideoReader
from cpabmm_core.puppets import write_puppets
from cpabmm_core.puppets.appearance import sample_identity
from cpabmm_core.puppets.camera import sample_camera
from cpabmm_core.puppets.repertoire import sample_motion
from cpabmm_core.puppets.stage import Stage

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(name: str, *arguments: object) -> Result:
    app = runpy.run_path(str(EXAMPLES / name))["app"]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def columns_of(picture: np.ndarray) -> list[np.ndarray]:
    """Return the 192 x 192 pictures of a row, 4 pixels apart."""
    return [picture[:, left : left + 192].astype(int) for left in range(0, picture.shape[1], 196)]


def test_first_command_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = tmp_path / "source--driving.mp4"
    printed = output_of("animate", EXAMPLES / "source.png", EXAMPLES / "driving.mp4")
    assert printed.strip() == result.name
    with VideoReader(EXAMPLES / "driving.mp4") as driving, VideoReader(result) as generated:
        expected = [frame.pts * driving.time_base for frame in driving]
        frames = list(generated)
        assert [frame.pts * generated.time_base for frame in frames] == expected
    moved = np.abs(frames[0].image.astype(float) - frames[37].image).mean()
    assert moved > 2

    outcome = run_example(
        "contact_sheet.py",
        *(EXAMPLES / "driving.mp4", result, "-o", "sheet.png", "--first", EXAMPLES / "source.png"),
    )
    assert outcome.exit_code == 0, outcome.output
    assert read_image(tmp_path / "sheet.png").shape == (2 * 128, 7 * 128 + 6 * 4, 3)


def test_shipped_files_are_what_the_script_renders(tmp_path: Path) -> None:
    script = tmp_path / "render_examples.py"
    script.write_text((EXAMPLES / "render_examples.py").read_text())
    runpy.run_path(str(script), run_name="__main__")
    difference = read_image(tmp_path / "source.png").astype(int) - read_image(
        EXAMPLES / "source.png"
    )
    assert np.abs(difference).max() <= 2
    with (
        VideoReader(tmp_path / "driving.mp4") as again,
        VideoReader(EXAMPLES / "driving.mp4") as shipped,
    ):
        for one, other in zip(again, shipped, strict=True):
            # The encoder divides its work by the number of cores: 1.5 between one and two.
            assert np.abs(one.image.astype(int) - other.image).mean() < 3


def test_registration_finds_a_known_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run_example("register_images.py", "--theta", "theta.json")
    assert outcome.exit_code == 0, outcome.output
    before, after = re.findall(r"([\d.]+) (?:pixels before|after)", outcome.output)[-2:]
    assert float(before) > 5
    assert float(after) < 0.8

    fixed, moving, aligned, before_map, after_map = columns_of(read_image("registration.png"))
    np.testing.assert_array_equal(fixed, read_image(EXAMPLES / "source.png"))
    assert np.abs(before_map - np.abs(moving - fixed)).max() <= 1  # one side is rounded twice
    assert after_map.mean() < 0.15 * before_map.mean()

    Image.fromarray(moving.astype(np.uint8)).save("moving.png")
    output_of("fit-cpab", "--apply", "theta.json", "--image", "moving.png", "-o", "again.png")
    inner = np.s_[2:-2, 2:-2]  # padding differs: border pixels here, black there
    assert np.abs(read_image("again.png")[inner] - aligned[inner]).max() <= 2


def test_registration_of_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fixed = read_image(EXAMPLES / "source.png")
    Image.fromarray(np.roll(fixed, 4, axis=1)).save("moving.png")
    arguments = (EXAMPLES / "source.png", "moving.png", "--boundary", "free", "-o", "out.png")
    outcome = run_example("register_images.py", *arguments, "--smoothness", 0.01)
    assert outcome.exit_code == 0, outcome.output
    assert "error of the motion" not in outcome.output
    panels = [panel[:, 8:-8] for panel in columns_of(read_image(tmp_path / "out.png"))]
    assert panels[4].mean() < 0.15 * panels[3].mean()

    assert "give both pictures" in run_example("register_images.py", arguments[0]).output
    Image.fromarray(fixed[:-1]).save("lower.png")
    outcome = run_example("register_images.py", arguments[0], "lower.png")
    assert outcome.exit_code == 2
    assert "expected the size of" in outcome.output


def test_augmentation_warps_a_picture_and_its_mask_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:192, :192]
    disc = np.where((x - 80) ** 2 + (y - 110) ** 2 < 50**2, 255, 0).astype(np.uint8)
    Image.fromarray(disc).convert("RGB").save("disc.png")
    outcome = run_example("augment_images.py", "disc.png", "--mask", "disc.png", "--count", 3)
    assert outcome.exit_code == 0, outcome.output
    assert re.search(r"\d\.\d{3} s per picture of 192 x 192", outcome.output)
    sheet = read_image(tmp_path / "augmented.png")
    assert sheet.shape == (2 * 192, 4 * 192 + 3 * 4, 3)
    pictures, masks = columns_of(sheet[:192]), columns_of(sheet[192:])
    np.testing.assert_array_equal(pictures[0][..., 0], disc)
    for picture, mask in zip(pictures, masks, strict=True):
        assert set(np.unique(mask)) == {0, 255}
        assert ((picture > 127) != (mask > 127)).mean() < 0.001
    assert all(np.abs(pictures[0] - picture).mean() > 3 for picture in pictures[1:])

    again = run_example("augment_images.py", "disc.png", "--count", 3, "-o", "again.png")
    assert again.exit_code == 0, again.output
    np.testing.assert_array_equal(read_image("again.png")[:192], sheet[:192])
    Image.fromarray(disc[:-1]).save("lower.png")
    assert run_example("augment_images.py", "disc.png", "--mask", "lower.png").exit_code == 2


def test_panel_of_a_model_on_test_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path("set")
    write_puppets(data, videos=1, test_videos=3, frames=4, size=96, seed=0, format="strip")
    outcome = run_example("render_panel.py", data, "-o", "panel.png", "--pairs", 2)
    assert outcome.exit_code == 0, outcome.output
    frame, strip, width = 2 * 128, 127, 6 * (2 * 128 + 2) - 2
    picture = read_image(Path("panel.png"))
    assert picture.shape == (2 * (frame + 2 + strip + 10), width, 3)
    assert picture[:, :frame].std() > 20

    outcome = run_example("render_panel.py", "none", "-o", "panel.png")
    assert outcome.exit_code == 2
    assert "no test videos" in outcome.output


def test_the_stages_of_the_bundled_model_are_plotted(tmp_path: Path) -> None:
    output = tmp_path / "stages.png"
    outcome = run_example("plot_model_stages.py", "-o", output, "--side", 96)
    assert outcome.exit_code == 0, outcome.output
    rows = read_image(output)
    assert rows.shape == (2 * 96 + 4, 3 * 96 + 2 * 4, 3)
    images = [rows[top : top + 96, left : left + 96] for top in (0, 100) for left in (0, 100, 200)]
    assert all(image.std() > 5 for image in images)
    # The generated frame is closer to the driving frame than the source is.
    source, driving, generated = (image.astype(float) for image in images[:3])
    assert np.abs(generated - driving).mean() < np.abs(source - driving).mean()


def test_keypoints_of_the_bundled_model_are_scored(tmp_path: Path) -> None:
    write_puppets(tmp_path, videos=1, test_videos=4, frames=6, size=96, seed=3, format="strip")
    scores = tmp_path / "scores.json"
    outcome = run_example("score_keypoints.py", tmp_path, "--json", scores)
    assert outcome.exit_code == 0, outcome.output
    ratio, in_use = (
        float(re.search(pattern, outcome.output)[1])  # type: ignore[index]
        for pattern in (r"([\d.]+) of the static baseline", r"in use: ([\d.]+) of 11")
    )
    assert 0 < ratio < 1
    assert 1 <= in_use <= 11
    shares = [float(share) for share in re.findall(r"share ([\d.]+) of the half", outcome.output)]
    # Quadrupeds thrice: left and right legs, near and far ones, and by sides of the picture.
    assert len(shares) == 4
    assert all(0 < share < 2 for share in shares)
    written = json.loads(scores.read_text())
    assert written["relative_l1"] == pytest.approx(ratio, abs=1e-3)
    bodies = written["bodies"].values()
    assert [body["unexplained_share"] for body in bodies] == pytest.approx(shares, abs=1e-3)
    assert all(len(body["keypoints"]) == 50 for body in bodies)
    usual = {keypoint["bone"] for keypoint in written["bodies"]["quadruped"]["keypoints"]}
    assert "head" in usual
    assert sum(written["error_shares"].values()) == pytest.approx(1)
    assert 0 < written["background_pixels"]["at_rest"] < 10
    for body in bodies:
        assert (
            {"torso", "head", "legs"}
            <= set(body["coverage_of_parts"])
            <= {
                "torso",
                "head",
                "arms",
                "legs",
                "tail",
            }
        )
        assert all(0 <= share <= 1 for share in body["coverage"].values())
    plans = [written["bodies"][plan] for plan in ("biped", "quadruped")]
    videos = [json.loads(path.read_text())["body_plan"] for path in tmp_path.glob("test/*.json")]
    weights = [videos.count(plan) / 4 for plan in ("biped", "quadruped")]
    errors = [plan["l1"] * weight for plan, weight in zip(plans, weights, strict=True)]
    assert sum(errors) == pytest.approx(written["l1"])


def test_errors_are_split_by_region() -> None:
    script = runpy.run_path(str(EXAMPLES / "score_keypoints.py"))
    regions = torch.tensor([[[0, 0], [1, 4]]])
    found = script["sum_by_region"](torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), regions)
    assert found.tolist() == [[0.75, 0.75, 0, 0, 1]]


def test_backgrounds_are_compared_at_the_corners() -> None:
    script = runpy.run_path(str(EXAMPLES / "score_keypoints.py"))
    shifted = torch.eye(3).repeat(2, 1, 1)
    shifted[:, 0, 2] = 2 / 64  # one pixel of 65
    assert script["corner_error"](None, shifted, 65) == pytest.approx(1)
    assert script["corner_error"](shifted, shifted, 65) == 0


def test_keypoints_are_drawn_in_a_band_per_model(tmp_path: Path) -> None:
    write_puppets(tmp_path, videos=1, test_videos=4, frames=3, size=96, seed=3, format="strip")
    output = tmp_path / "keypoints.png"
    models = ["--checkpoint", "puppets"] * 2
    options = ["--identities", 1, "--side", 64, "-o", output]
    outcome = run_example("draw_keypoints.py", tmp_path, *models, *options)
    assert outcome.exit_code == 0, outcome.output
    picture = read_image(output)
    assert picture.shape == (2 * (28 + 2 * 68), 2 * 64 + 4, 3)
    first, second = picture[28:164].astype(int), picture[192:].astype(int)
    np.testing.assert_array_equal(first, second)  # the same model
    # Frames are grey and dots are not: 10 dots on each of four frames.
    coloured = np.ptp(first, axis=-1) > 60
    assert 0.01 < coloured.mean() < 0.1


def test_warps_are_drawn_in_four_pictures_a_model(tmp_path: Path) -> None:
    write_puppets(tmp_path, videos=1, test_videos=2, frames=3, size=64, seed=3, format="strip")
    output = tmp_path / "warps.png"
    models = ["--checkpoint", "puppets"] * 2
    options = ["--videos", 2, "--side", 48, "-o", output]
    outcome = run_example("draw_warps.py", tmp_path / "test", *models, *options)
    assert outcome.exit_code == 0, outcome.output
    picture = read_image(output).astype(int)
    step = (picture.shape[1] + 4) // 8  # with gaps of 4 pixels
    tiles = [picture[:, i * step : i * step + 48] for i in range(8)]
    assert [tile.shape for tile in tiles] == [(96, 48, 3)] * 8
    for mine, same in zip(tiles[:4], tiles[4:], strict=True):
        np.testing.assert_array_equal(mine, same)  # the same model
    source, driving, _, made = tiles[:4]
    assert np.abs(made - driving).mean() < np.abs(source - driving).mean()


def test_keypoints_to_draw_are_far_from_each_other() -> None:
    script = runpy.run_path(str(EXAMPLES / "draw_keypoints.py"))
    places = np.array([0.0, 0.01, 0.5, 0.52, 1.0])
    points = np.stack([places, places], axis=-1)[None].repeat(3, axis=0)  # (F, N, 2)
    chosen = script["most_unlike"](points, 3)
    assert sorted(places[chosen].round(1).tolist()) == [0.0, 0.5, 1.0]
    assert len(script["most_unlike"](points, 9)) == 5


@pytest.mark.parametrize("seed", range(12))
def test_near_legs_are_nearer_to_the_viewer(seed: int) -> None:
    """The depth of the true skeleton decides, for all gaits and both directions."""
    script = runpy.run_path(str(EXAMPLES / "score_keypoints.py"))
    rng = np.random.default_rng(seed)
    identity = sample_identity(rng, "quadruped")
    stage = Stage(identity, sample_motion(rng, identity), sample_camera(rng), rng)
    shot = stage.shoot(np.arange(20) / 25)
    names = [joint.name for joint in stage.skeleton.joints]
    depth = {
        joint.name: {"start": shot.pose.starts, "end": shot.pose.ends}[joint.at][joint.bone][:, 2]
        for joint in stage.skeleton.joints
    }
    joints = torch.from_numpy(stage.joints(shot))
    video = script["Video"]("quadruped", names, joints, [], *[torch.zeros(1)] * 5)
    renamed = dict(zip(script["name_near_and_far"](video).names, names, strict=True))
    for end in ("front", "hind"):
        near, far = (renamed[f"{end}_{side}_hip"] for side in ("near", "far"))
        assert depth[near].mean() < depth[far].mean()  # the z axis points away from the viewer
    assert renamed["tail_tip"] == "tail_tip"
    sides = dict(zip(script["name_picture_sides"](video).names, names, strict=True))
    for depth_name in ("near", "far"):
        left, right = (sides[f"picture_{side}_{depth_name}_hip"] for side in ("left", "right"))
        across = [joints[:, names.index(name), 0].mean() for name in (left, right)]
        assert across[0] < across[1]


def test_the_effective_number_of_parts_is_their_perplexity() -> None:
    perplexity = runpy.run_path(str(EXAMPLES / "score_keypoints.py"))["perplexity"]
    assert perplexity(torch.tensor([2.0, 2, 2, 2])) == pytest.approx(4)
    assert perplexity(torch.tensor([5.0, 0, 0, 0])) == pytest.approx(1)


def test_videos_have_the_named_faults(tmp_path: Path) -> None:
    write_puppets(
        tmp_path / "set", videos=1, test_videos=1, frames=4, size=64, seed=6, format="strip"
    )
    test, corrupted = tmp_path / "set" / "test", tmp_path / "corrupted"
    outcome = run_example("corrupt_videos.py", test, "-o", corrupted)
    assert outcome.exit_code == 0, outcome.output
    names = ("identical", "shift", "blur", "limb", "identity", "black")
    assert outcome.output.split() == [str(corrupted / name) for name in names]
    real = np.stack(np.split(read_image(test / "00000.png").astype(int), 4, axis=1))
    videos = {
        name: np.stack(
            [read_image(path) for path in sorted((corrupted / name / "00000").iterdir())]
        )
        for name in names
    }
    np.testing.assert_array_equal(videos["identical"], real)
    np.testing.assert_array_equal(videos["shift"][:, :, 3:], real[:, :, :-3])
    steps = [np.abs(np.diff(video.astype(int), axis=2)).mean() for video in (real, videos["blur"])]
    assert steps[1] < 0.7 * steps[0]
    np.testing.assert_array_equal(videos["black"][:3], real[:3])
    assert not videos["black"][3].any()
    for name in ("limb", "identity"):
        changed = (videos[name] != real).any(-1)
        assert all(0 < share < 0.4 for share in changed.mean((1, 2))), name
        assert not changed[:, -2:].any(), name  # the scene is the same

    printed = output_of("metrics", test, corrupted / "shift", "--json")
    assert json.loads(printed)["videos"][0]["frames"] == 4  # frames, not one wide image

    assert run_example("corrupt_videos.py", test, "-o", corrupted).exit_code == 2  # already exists
    (test / "00000.json").unlink()
    outcome = run_example("corrupt_videos.py", test, "-o", tmp_path / "other")
    assert outcome.exit_code == 2
    assert "no JSON" in " ".join(outcome.output.replace("│", " ").split())  # lines are wrapped


def test_the_pictures_of_the_concept_page_are_rendered(tmp_path: Path) -> None:
    outcome = run_example("cpab_in_pictures.py", "-o", tmp_path)
    assert outcome.exit_code == 0, outcome.output
    paths = sorted(tmp_path.glob("*.png"))
    assert sorted(outcome.output.split()) == [str(path) for path in paths]
    images = EXAMPLES.parent / "docs" / "images"
    for path in paths:
        assert path.stat().st_size < 100_000
        difference = np.abs(read_image(path).astype(int) - read_image(images / path.name))
        assert difference.mean() < 3, path.name
