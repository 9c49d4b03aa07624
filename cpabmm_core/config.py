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
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cpabmm_core.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AugmentConfig(_Section):
    """Random changes applied alike to both frames of a training pair."""

    horizontal_flip: bool = True
    time_flip: bool = True
    brightness: Weight = 0.1
    contrast: Weight = 0.1
    saturation: Weight = 0.1
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    resize: tuple[float, float] | None = None
    """Range of a random scale, followed by a random crop back to the frame size."""


class DataConfig(_Section):
    """What a training example is."""

    frame_size: Positive = 256
    """Side of the square training frames, in pixels; also the size at which motion is estimated."""
    repeats: Positive = 1
    """How often each video is drawn in one epoch."""
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


class CpabConfig(_Section):
    """The CPAB candidate motions and their fit."""

    cells: Positive = 4
    """Squares per side of the tessellation of each group's transformation."""
    global_cells: Positive | None = 6
    """Squares per side for the transformation of all keypoints; null leaves it out."""
    boundary: Literal["free", "zero"] = "free"
    volume_preserving: bool = False
    solver: Literal["gauss-newton", "adam"] = "gauss-newton"
    iterations: Positive | None = None
    """Upper bound of solver iterations; null takes the solver's own default."""
    implicit_gradient: bool = True
    """Let the warp teach the keypoints through the fit; false detaches them, as the paper does."""


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


class ModelConfig(_Section):
    """The animation model."""

    motion: Literal["cpab", "tps"] = "cpab"
    keypoints: KeypointsConfig = KeypointsConfig()
    background: BackgroundConfig | None = BackgroundConfig()
    cpab: CpabConfig = CpabConfig()
    dense_motion: DenseMotionConfig = DenseMotionConfig()
    inpainting: InpaintingConfig = InpaintingConfig()


class LossesConfig(_Section):
    """Weights of the training losses; 0 switches a loss off."""

    reconstruction: Weight = 10.0
    reconstruction_kind: Literal["auto", "perceptual", "pixel"] = "auto"
    """``perceptual`` compares VGG-19 features; ``pixel`` needs no weights; ``auto`` takes the first
    that can be had."""
    vgg_weights: Path | None = None
    """File with torchvision's VGG-19 weights; null looks in torch's cache."""
    warp: Weight = 10.0
    equivariance: Weight = 10.0
    background: Weight = 10.0


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
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: Weight = 1e-4
    milestones: tuple[float, ...] = (70, 90)
    """Epochs after which the learning rate is multiplied by `milestone_factor`."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    gradient_clip: Annotated[float, Field(gt=0)] = 10.0
    candidate_dropout: CandidateDropoutConfig = CandidateDropoutConfig()
    background_from_epoch: Weight = 0
    seed: Annotated[int, Field(ge=0)] = 0
    workers: Annotated[int, Field(ge=0)] = 0
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    log_every: Positive = 50
    checkpoint_every: Positive = 1000
    panel_every: Positive = 1000


class Config(_Section):
    """Everything that a training run is made from."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    losses: LossesConfig = LossesConfig()
    training: TrainingConfig = TrainingConfig()


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the package, sorted."""
    folder = resources.files("cpabmm_core") / "configs"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def load_config(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration by shipped name or by path, then apply ``key=value`` overrides.

    Args:
        name_or_path: a name from `shipped_configs`, or the path of a YAML file.
        overrides: dotted keys with YAML values, for example ``training.batch_size=4``.

    Raises:
        ConfigError: no such configuration, malformed YAML, unknown key or wrong value.
    """
    values = _parse(_read_text(name_or_path), str(name_or_path))
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
