"""Typed configuration of data, model, losses and training, read from and written to YAML.

The models below are the only source of defaults. Unknown keys are errors. The shipped files are
package data in ``cpabmm_core/configs``.
"""

import difflib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cpabmm_core.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
_EXTENDS = "extends"
Weight = Annotated[float, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AugmentConfig(_Section):
    """Random changes applied alike to both frames of a training pair."""

    horizontal_flip: bool = True
    """Mirror half of the pairs that are not flipped in time."""
    time_flip: bool = True
    """Let the later frame be the source of half of the pairs; false: the earlier one always is."""
    brightness: Weight = 0.1
    """Multiply by a random factor in [1 - value, 1 + value]; the next two work alike."""
    contrast: Weight = 0.1
    saturation: Weight = 0.1
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Turn the hue by a random part of the colour wheel in [-value, value]."""
    resize: tuple[float, float] | None = None
    """Range of a random scale, followed by a random crop back to the frame size."""


class DataConfig(_Section):
    """What a training example is."""

    frame_size: Positive = 256
    """Side of the square training frames, in pixels; also the size at which motion is estimated."""
    identity_sampling: bool = True
    """Clips whose names agree up to the first ``#`` are one identity; false: each is its own."""
    repeats: Positive = 1
    """Pairs of each identity in one epoch, each from one of its clips at random."""
    test_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the identities held out for validation where there are no ``train`` and ``test``."""
    cache_mb: Annotated[int, Field(ge=0)] = 1024
    """Memory for decoded frames in each process that reads data, in MiB; 0 keeps none."""
    on_error: Literal["skip", "refuse"] = "skip"
    """Clips that cannot be read: ``skip`` names them and goes on without; ``refuse`` stops."""
    augment: AugmentConfig = AugmentConfig()


class KeypointsConfig(_Section):
    """Keypoint detector: `groups` groups of `points_per_group` keypoints."""

    backbone: str = "resnet18"
    """``resnet18`` (torchvision, as in the paper) or the name of any timm model."""
    head: Literal["regression", "heatmap"] = "regression"
    """``regression``: pooled features to coordinates (paper); ``heatmap``: spatial soft-argmax."""
    groups: Positive = 10
    points_per_group: Annotated[int, Field(ge=3)] = 5


class BackgroundConfig(_Section):
    """Predictor of the affine motion of the background."""

    backbone: str = "resnet18"
    """As for keypoints; or ``hourglass``, the encoder of one, of the sizes below (MRAA)."""
    block_expansion: Positive = 32
    max_features: Positive = 1024
    blocks: Positive = 5


class CpabConfig(_Section):
    """The CPAB candidate motions and their fit."""

    cells: Positive = 4
    """Squares per side of the tessellation of each group's transformation."""
    global_cells: Positive | None = 6
    """Squares per side for the transformation of all keypoints; null leaves it out."""
    boundary: Literal["free", "zero"] = "free"
    volume_preserving: bool = False
    fit: Literal["solve", "detached", "paper"] = "solve"
    """``solve``: Gauss-Newton, and the warp teaches the keypoints through its solution;
    ``detached``: the same without that gradient; ``paper``: Adam, as in the paper's code, without
    that gradient either."""
    iterations: Positive | None = None
    """Upper bound of the iterations of ``solve`` and ``detached``; null takes the solver's own."""
    paper_iterations: Positive = 100
    """Iterations of ``paper`` for each group; the transformation of all keypoints gets 1.5 times
    as many."""


class AffineConfig(_Section):
    """Keypoints with local affine frames, each with one candidate motion, as in FOMM and MRAA.

    For ``motion: affine``, in place of the sections `keypoints` and `cpab`.
    """

    keypoints: Positive = 10
    frames: Literal["jacobian", "pca"] = "jacobian"
    """``jacobian``: regressed (FOMM); ``pca``: principal axes of the heatmap (MRAA)."""
    single_jacobian_map: bool = False
    """Frames of all keypoints are read off one map, not one each (FOMM on MGif)."""
    block_expansion: Positive = 32
    max_features: Positive = 1024
    blocks: Positive = 5
    scale_factor: Annotated[float, Field(gt=0, le=1)] = 0.25
    padding: Annotated[int, Field(ge=0, le=3)] = 0
    """Of the layer that draws the heatmaps, whose kernel is 7 wide; 0 in most published models."""
    bottleneck_blocks: Positive = 6
    """Residual blocks of the generator."""
    skips: bool = False
    """Warped features of every level reach the generator's decoder (MRAA)."""
    align_corners: bool = True
    """How flows are sampled; false as in the code of FOMM and MRAA on a current PyTorch."""


class DenseMotionConfig(_Section):
    """Network that mixes the candidate motions into one flow and masks occlusions."""

    block_expansion: Positive = 64
    max_features: Positive = 1024
    blocks: Positive = 5
    scale_factor: Annotated[float, Field(gt=0, le=1)] = 0.25


class InpaintingConfig(_Section):
    """Network that renders the driving frame from the warped source."""

    block_expansion: Positive = 64
    max_features: Positive = 512
    down_blocks: Positive = 3


class AvdConfig(_Section):
    """Network that puts the driving pose on the shape of the source's object."""

    id_bottle_size: Positive = 128
    """Numbers that tell the shape of an object."""
    pose_bottle_size: Positive = 128
    """Numbers that tell a pose."""


class ModelConfig(_Section):
    """The animation model."""

    motion: Literal["cpab", "tps", "affine"] = "cpab"
    """``cpab``: the paper; ``tps``: TPSMM; ``affine``: FOMM and MRAA."""
    keypoints: KeypointsConfig = KeypointsConfig()
    background: BackgroundConfig | None = BackgroundConfig()
    cpab: CpabConfig = CpabConfig()
    affine: AffineConfig = AffineConfig()
    dense_motion: DenseMotionConfig = DenseMotionConfig()
    inpainting: InpaintingConfig = InpaintingConfig()
    avd: AvdConfig | None = None
    """What mode ``avd`` needs. The main stage of training leaves it out; the avd stage builds it in
    these sizes, or those of its defaults where it is null."""
    relative_hull_scaling: bool = True
    """Mode ``relative`` scales movements by the size of the objects, which the convex hulls of
    their keypoints tell; false as in FOMM's configurations."""


class SamConfig(_Section):
    """The frozen Segment Anything model of the keypoint-semantic loss."""

    model: Literal["vit_b", "vit_l", "vit_h"] = "vit_b"
    weights: Path | None = None
    """File with its weights; null looks in torch's cache, else downloads them."""
    image_size: Annotated[int, Field(gt=0, multiple_of=16)] = 1024
    """Side in pixels at which images are embedded; 1024 as trained, less is an approximation."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Of the image encoder."""


class DinoConfig(_Section):
    """The frozen DINO vision transformer of the structure loss."""

    model: str = "vit_base_patch8_224.dino"
    """Name of a DINO model in timm."""
    weights: Path | None = None
    """File with its weights; null looks in the hub's cache, else downloads them."""
    form: Literal["frobenius", "mean_square"] = "frobenius"
    """``frobenius``: norm of the difference, as the paper says; ``mean_square``: as its code, which
    at the paper's weight counts for next to nothing (docs/weights.md has figures)."""


class PerceptualConfig(_Section):
    """The frozen network of the perceptual reconstruction loss."""

    network: str = "vgg19"
    """``vgg19`` (torchvision), as the paper and its peers; or the name of a timm model."""
    weights: Path | None = None
    """File with its weights; null looks in the library's cache, else downloads them."""


class DiscriminatorConfig(_Section):
    """The discriminator of the adversarial loss; the defaults are FOMM's for mgif."""

    block_expansion: Positive = 32
    max_features: Positive = 512
    blocks: Positive = 4
    spectral_norm: bool = True
    """Divide weights by their spectral norm; FOMM's adversarial vox and taichi models do not."""
    keypoints: bool = False
    """Whether it sees the driving keypoints, as in those two models."""


class LossesConfig(_Section):
    """Weights of the training losses; 0 switches a loss off."""

    reconstruction: Weight = 10.0
    reconstruction_kind: Literal["perceptual", "pixel"] = "perceptual"
    """``perceptual`` compares features of a frozen network; ``pixel`` needs no weights."""
    perceptual: PerceptualConfig = PerceptualConfig()
    balance: Weight = 0.0
    """Even use of the candidate motions; a loss of ours that no peer has."""
    warp: Weight = 10.0
    equivariance: Weight = 10.0
    frame_equivariance: Weight = 10.0
    """Of the keypoints' local frames, for ``motion: affine``."""
    background: Weight = 10.0
    semantic: Weight = 0.0
    """Keypoints mean the same in both frames to Segment Anything (paper, Eq. 8); the paper: 1."""
    sam: SamConfig = SamConfig()
    structure: Weight = 0.0
    """Self-similarity of the generated and the driving frame's DINO keys; the paper: 0.1."""
    dino: DinoConfig = DinoConfig()
    adversarial: Weight = 0.0
    """A discriminator takes drawn frames for real ones; it is trained beside the model. FOMM: 1 for
    mgif. 0 builds no discriminator."""
    feature_matching: Weight = 10.0
    """The discriminator's features of drawn and real frames agree; only with `adversarial`."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()


class CandidateDropoutConfig(_Section):
    """Probability with which whole candidate motions are dropped early in training."""

    start: Probability = 0.0
    maximum: Probability = 0.0
    ramp_epochs: Weight = 10
    until_epoch: Weight = 35


class TrainingConfig(_Section):
    """The optimisation."""

    epochs: Positive = 100
    batch_size: Positive = 8
    """Pairs at a time in each process."""
    accumulation: Positive = 1
    """Batches whose gradients make one step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: Weight = 1e-4
    milestones: tuple[float, ...] = (70, 90)
    """Epochs after which the learning rate is multiplied by `milestone_factor`."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    clip_largest_entry: Annotated[float, Field(gt=0)] | None = 10.0
    """Largest absolute entry that the gradients of the keypoint detector, the dense motion network
    and the background predictor keep, each scaled on its own; null clips nothing."""
    candidate_dropout: CandidateDropoutConfig = CandidateDropoutConfig()
    background_from_epoch: Weight = 0
    seed: Annotated[int, Field(ge=0)] = 0
    workers: Annotated[int, Field(ge=0)] = 0
    mixed_precision: Annotated[
        Literal["auto", "no", "fp16", "bf16"],
        BeforeValidator(lambda value: "no" if value is False else value),  # YAML reads no as false
    ] = "auto"
    """``auto``: 16 bits where the device computes them, else ``no``."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of the weights, which becomes the result; 0 keeps none."""
    channels_last: bool = False
    """Memory layout that suits the convolutions of most GPUs, and of CPUs with bf16."""
    compile: bool = False
    """Compile the networks with torch.compile; worth it for long runs on a GPU."""
    log_every: Positive = 50
    checkpoint_every: Positive = 1000
    keep_states: Positive = 2
    """Saved states that stay."""
    panel_every: Positive = 1000
    validate_every: Positive = 1000
    """Steps between two reconstructions of the test videos, which find the best checkpoint."""
    validation_frames: Positive = 4
    """Frames of each test video that are reconstructed."""
    trackers: tuple[str, ...] | None = None
    """Trackers of Accelerate by name, e.g. wandb; null takes TensorBoard if it is installed."""


class AvdTrainingConfig(_Section):
    """The optimisation of the avd network, on the keypoints of a trained model."""

    epochs: Positive = 100
    repeats: Positive = 150
    """Pairs of each identity in one epoch, on average."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    milestones: tuple[float, ...] = (70, 90)
    """Epochs after which the learning rate is multiplied by `milestone_factor`."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    random_scale: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Largest share by which a pose is stretched or shrunk along x and y, to hide its shape."""
    log_every: Positive = 100
    checkpoint_every: Positive = 10000


class Config(_Section):
    """Everything that a training run is made from."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    losses: LossesConfig = LossesConfig()
    training: TrainingConfig = TrainingConfig()
    avd: AvdTrainingConfig = AvdTrainingConfig()


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the package, sorted."""
    folder = resources.files("cpabmm_core") / "configs"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration by shipped name or by path, then apply ``key=value`` overrides.

    Args:
        name_or_path: a name from `shipped_configs`, or the path of a YAML file. A file with the key
            ``extends`` holds only what differs from the configuration of that name or path.
        overrides: dotted keys with YAML values, for example ``training.batch_size=4``.

    Raises:
        ConfigError: no such configuration, malformed YAML, unknown key or wrong value.
    """
    values = _read_values(name_or_path)
    for override in overrides:
        _set(values, override)
    return config_from_dict(values, str(name_or_path))


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Validate plain values as a `Config`; `origin` names them in errors."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_first_problem(error)}") from None


def dump_config(config: Config) -> str:
    """The configuration as YAML that `load_config` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _read_values(name_or_path: str | Path, derived: tuple[str, ...] = ()) -> dict[str, Any]:
    """The file's values, laid over those of the configuration that it ``extends``, if any."""
    origin = str(name_or_path)
    if origin in derived:
        raise ConfigError(f"{origin}: extends itself ({' -> '.join((*derived, origin))})")
    values = _parse(_read_text(name_or_path), origin)
    base = values.pop(_EXTENDS, None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(f"{origin}: {_EXTENDS}: expected a configuration's name, got {base!r}")
    return _merged(_read_values(base, (*derived, origin)), values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged


def _read_text(name_or_path: str | Path) -> str:
    path = Path(name_or_path)
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a readable text file ({error})") from None
    names = shipped_configs()
    if str(name_or_path) in names:
        shipped = resources.files("cpabmm_core") / "configs" / f"{name_or_path}.yaml"
        return shipped.read_text(encoding="utf-8")
    raise ConfigError(
        f"{name_or_path}: no such configuration{_did_you_mean(str(name_or_path), names)}; "
        f"give a YAML file or one of: {', '.join(names)}"
    )


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not valid YAML ({' '.join(str(error).split())})") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected sections (data, model, losses, training), got text")
    return values


def _set(values: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected key=value, for example training.workers=2")
    *sections, last = key.split(".")
    for section in sections:
        child = values.setdefault(section, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section")
        values = child
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {value!r} is not a YAML value") from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _keys_of_section(location[:-1])
        hint = _did_you_mean(location[-1], known) or f"; known: {', '.join(known)}"
        return f"unknown key {key}{hint}"
    return f"{key}: {problem['msg']}, got {problem['input']!r}"


def _keys_of_section(location: list[str]) -> list[str]:
    section: type[BaseModel] = Config
    for name in location:
        annotation = section.model_fields[name].annotation if name in section.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return []
        section = models[0]
    return list(section.model_fields)


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
