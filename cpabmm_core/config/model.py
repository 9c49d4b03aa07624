"""Settings of the animation model."""

from typing import Annotated, Literal

from pydantic import Field

from cpabmm_core.config.section import Channels, Count, Levels, Scale, Section

Squares = Annotated[int, Field(gt=0, le=32)]
"""Squares per side of a tessellation. The basis of 32 x 32 squares takes most of a minute."""
Iterations = Annotated[int, Field(gt=0, le=1_000_000)]


class KeypointsConfig(Section):
    """The keypoint detector.

    Example:
        >>> from cpabmm_core.config import KeypointsConfig
        >>> KeypointsConfig(head="heatmap").groups
        10
    """

    backbone: str = "resnet18"
    """Feature extractor: ``resnet18`` (torchvision, as in the paper) or the name of a timm
    model."""
    head: Literal["regression", "heatmap"] = "regression"
    """How features become coordinates: ``regression`` maps pooled features to numbers (as in the
    paper), ``heatmap`` takes a spatial soft-argmax."""
    groups: Count = 10
    """Number of keypoint groups. Each group has its own CPAB transformation."""
    points_per_group: Annotated[int, Field(ge=3, le=10_000)] = 5
    """Keypoints in each group, at least 3."""


class BackgroundConfig(Section):
    """The network that predicts the affine motion of the background.

    Example:
        >>> from cpabmm_core.config import BackgroundConfig
        >>> BackgroundConfig(backbone="hourglass").blocks
        5
    """

    backbone: str = "resnet18"
    """Feature extractor: ``resnet18`` (torchvision), the name of a timm model, ``hourglass``, the
    encoder of an hourglass network in the sizes below (as in MRAA), or ``registration``, which has
    no network: it aligns the two frames by robust least squares (`geometry.register_affine`)."""
    block_expansion: Channels = 32
    """Half the channels of the first block; they double from block to block. ``hourglass``
    only."""
    max_features: Channels = 1024
    """Upper bound of the channels of a block. ``hourglass`` only."""
    blocks: Levels = 5
    """Number of blocks; each halves the resolution. ``hourglass`` only."""


class CpabConfig(Section):
    """The CPAB candidate motions and how they are fitted to the keypoints.

    Example:
        >>> from cpabmm_core.config import CpabConfig
        >>> CpabConfig(global_cells=None).fit
        'solve'
    """

    cells: Squares = 4
    """Squares per side of the tessellation for each group's transformation."""
    global_cells: Squares | None = 6
    """Squares per side of the tessellation for the global transformation, which is fitted to all
    keypoints. null removes the global transformation."""
    boundary: Literal["free", "zero"] = "free"
    """Velocity at the border of the image: ``free`` leaves it unconstrained (as in the paper),
    ``zero`` forbids flow across the border."""
    volume_preserving: bool = False
    """Restrict velocity fields to zero divergence, so that areas are preserved."""
    fit: Literal["solve", "detached", "paper"] = "solve"
    """Solver of the fit. ``solve`` is Gauss-Newton with implicit gradients, so the warp also
    trains the keypoint detector. ``detached`` is the same without these gradients. ``paper`` is
    Adam without gradients, as in the paper's code."""
    length_scale: Annotated[float, Field(ge=0.01, le=10)] = 0.2
    """Distance, in sides of the frame, over which the prior of ``solve`` and ``detached`` lets the
    motion change. With larger values each keypoint moves more of the frame."""
    iterations: Iterations | None = None
    """Maximum number of iterations for ``solve`` and ``detached``. null uses the solver's
    default."""
    paper_iterations: Iterations = 100
    """Iterations of ``paper`` for each group. The global transformation gets 1.5 times as many."""


class AffineConfig(Section):
    """Keypoints with local affine transformations, one candidate motion each (FOMM, MRAA).

    Used for ``motion: affine``, in place of the sections ``keypoints`` and ``cpab``.

    Example:
        >>> from cpabmm_core.config import AffineConfig
        >>> AffineConfig(frames="pca", skips=True).keypoints
        10
    """

    keypoints: Count = 10
    """Number of keypoints."""
    frames: Literal["jacobian", "pca"] = "jacobian"
    """Source of each keypoint's jacobian: ``jacobian`` regresses it (FOMM), ``pca`` computes it
    from the principal axes of the heatmap (MRAA)."""
    single_jacobian_map: bool = False
    """Read the jacobians of all keypoints from one shared map instead of one map per keypoint
    (FOMM on MGif)."""
    block_expansion: Channels = 32
    """Channels of the finest level of the keypoint hourglass; they double from level to level."""
    max_features: Channels = 1024
    """Upper bound of the channels of a level of the keypoint hourglass."""
    blocks: Levels = 5
    """Number of downsampling blocks of the keypoint hourglass; each halves the resolution."""
    scale_factor: Scale = 0.25
    """Scale at which keypoints are detected, relative to the frame."""
    padding: Annotated[int, Field(ge=0, le=3)] = 0
    """Padding of the 7 x 7 convolution that computes the heatmaps. Most published models use 0."""
    bottleneck_blocks: Annotated[int, Field(gt=0, le=100)] = 6
    """Residual blocks of the generator."""
    skips: bool = False
    """Feed the warped features of every level to the generator's decoder (MRAA)."""
    align_corners: bool = True
    """Whether flows are sampled with ``align_corners``. false reproduces the published code of FOMM
    and MRAA on current versions of PyTorch."""


class DenseMotionConfig(Section):
    """The network that mixes the candidate motions into one flow and predicts occlusion maps.

    Example:
        >>> from cpabmm_core.config import DenseMotionConfig
        >>> DenseMotionConfig(blocks=3).scale_factor
        0.25
    """

    block_expansion: Channels = 64
    """Channels of the finest level; they double from level to level."""
    max_features: Channels = 1024
    """Upper bound of the channels of a level."""
    blocks: Levels = 5
    """Number of downsampling blocks; each halves the resolution."""
    scale_factor: Scale = 0.25
    """Scale at which motion is estimated, relative to the frame."""
    padding: Literal["zeros", "border"] = "zeros"
    """What a flow shows where it leaves the source: ``zeros``, as in all published models, or
    ``border``, the nearest pixel of the border."""
    hide_tears: bool = False
    """Paint the borders between parts that move differently, where the flow is stretched more than
    4 to 8 times, instead of showing the source there. No published model does."""


class InpaintingConfig(Section):
    """The generator, which renders the driving frame from the warped source.

    Example:
        >>> from cpabmm_core.config import InpaintingConfig
        >>> InpaintingConfig(down_blocks=2).max_features
        512
    """

    block_expansion: Channels = 64
    """Channels of the finest level; they double from level to level."""
    max_features: Channels = 512
    """Upper bound of the channels of a level."""
    down_blocks: Levels = 3
    """Number of downsampling blocks of the encoder; each halves the resolution."""


class AvdConfig(Section):
    """The network of mode ``avd``, which transfers the driving pose to the source's shape.

    Example:
        >>> from cpabmm_core.config import AvdConfig
        >>> AvdConfig(id_bottle_size=64).pose_bottle_size
        128
    """

    id_bottle_size: Channels = 128
    """Size of the vector that encodes the shape of an object."""
    pose_bottle_size: Channels = 128
    """Size of the vector that encodes a pose."""


class ModelConfig(Section):
    """The animation model.

    Example:
        >>> from cpabmm_core.config import ModelConfig
        >>> ModelConfig(motion="tps").dense_motion.blocks
        5
    """

    motion: Literal["cpab", "tps", "affine"] = "cpab"
    """Family of candidate motions: ``cpab`` (the paper), ``tps`` (TPSMM) or ``affine`` (FOMM and
    MRAA)."""
    keypoints: KeypointsConfig = KeypointsConfig()
    """The keypoint detector for ``cpab`` and ``tps``."""
    background: BackgroundConfig | None = BackgroundConfig()
    """The background predictor. null assumes a static background."""
    cpab: CpabConfig = CpabConfig()
    """The candidate motions for ``cpab``."""
    affine: AffineConfig = AffineConfig()
    """The keypoint detector and candidate motions for ``affine``."""
    dense_motion: DenseMotionConfig = DenseMotionConfig()
    """The dense motion network."""
    inpainting: InpaintingConfig = InpaintingConfig()
    """The generator."""
    avd: AvdConfig | None = None
    """Sizes of the network of mode ``avd``. The main stage ignores them; the avd stage uses the
    default sizes if this is null."""
    relative_hull_scaling: bool = True
    """Scale movements in mode ``relative`` by the ratio of the two objects' sizes, measured by the
    convex hulls of their keypoints. FOMM's configurations use false."""
