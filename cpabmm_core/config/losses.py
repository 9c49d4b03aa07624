"""Settings of the training losses and of the frozen networks that they use."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cpabmm_core.config.section import NonNegative, Positive, Section


class SamConfig(Section):
    """The frozen Segment Anything model of the keypoint-semantic loss.

    Example:
        >>> from cpabmm_core.config import SamConfig
        >>> SamConfig(image_size=448).precision
        'fp32'
    """

    model: Literal["vit_b", "vit_l", "vit_h"] = "vit_b"
    """Variant of the model, named by the size of its image encoder."""
    weights: Path | None = None
    """File with the weights. null looks in torch's cache and downloads them if they are
    missing."""
    image_size: Annotated[int, Field(gt=0, multiple_of=16)] = 1024
    """Side to which images are resized before they are embedded, in pixels. The model was trained
    at 1024; smaller sizes are faster approximations."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Precision of the image encoder."""


class DinoConfig(Section):
    """The frozen DINO vision transformer of the structure loss.

    Example:
        >>> from cpabmm_core.config import DinoConfig
        >>> DinoConfig().form
        'frobenius'
    """

    model: str = "vit_base_patch8_224.dino"
    """Name of a DINO model in timm."""
    weights: Path | None = None
    """File with the weights. null looks in the hub's cache and downloads them if they are
    missing."""
    form: Literal["frobenius", "mean_square"] = "frobenius"
    """Distance between the self-similarity matrices: ``frobenius`` is the Frobenius norm of the
    difference (the paper's text), ``mean_square`` the mean of its squared entries (the paper's
    code). At the paper's weight, ``mean_square`` has almost no effect."""


class PerceptualConfig(Section):
    """The frozen network of the perceptual reconstruction loss.

    Example:
        >>> from cpabmm_core.config import PerceptualConfig
        >>> PerceptualConfig(network="tf_efficientnet_lite0").weights is None
        True
    """

    network: str = "vgg19"
    """``vgg19`` (torchvision), as in the paper, or the name of a timm model."""
    weights: Path | None = None
    """File with the weights. null looks in the library's cache and downloads them if they are
    missing."""


class DiscriminatorConfig(Section):
    """The discriminator of the adversarial loss. The defaults are FOMM's for MGif.

    Example:
        >>> from cpabmm_core.config import DiscriminatorConfig
        >>> DiscriminatorConfig(keypoints=True).spectral_norm
        True
    """

    block_expansion: Positive = 32
    """Half the channels of the first block; they double from block to block."""
    max_features: Positive = 512
    """Upper bound of the channels of a block."""
    blocks: Positive = 4
    """Number of convolution blocks."""
    spectral_norm: bool = True
    """Apply spectral normalisation. FOMM's adversarial models for VoxCeleb and TaiChiHD do not use
    it."""
    keypoints: bool = False
    """Feed the driving keypoints to the discriminator, as FOMM does for VoxCeleb and TaiChiHD."""


class LossesConfig(Section):
    """Weights of the training losses. A weight of 0 disables a loss.

    Example:
        >>> from cpabmm_core.config import LossesConfig
        >>> LossesConfig(structure=0.1).dino.form
        'frobenius'
    """

    reconstruction: NonNegative = 10.0
    """Weight of the reconstruction loss, which compares generated and driving frame."""
    reconstruction_kind: Literal["perceptual", "pixel"] = "perceptual"
    """Form of the reconstruction loss: ``perceptual`` compares features of a frozen network,
    ``pixel`` compares pixels and needs no pretrained weights."""
    perceptual: PerceptualConfig = PerceptualConfig()
    """The network of ``reconstruction_kind: perceptual``."""
    balance: NonNegative = 0.0
    """Weight of the balance loss, which encourages even use of the candidate motions. Neither the
    paper nor FOMM, MRAA or TPSMM use it."""
    warp: NonNegative = 10.0
    """Weight of the warp loss, which compares warped source features with driving features."""
    equivariance: NonNegative = 10.0
    """Weight of the equivariance loss of the keypoints' positions."""
    frame_equivariance: NonNegative = 10.0
    """Weight of the equivariance loss of the keypoints' jacobians. ``motion: affine`` only."""
    background: NonNegative = 10.0
    """Weight of the background loss. Models without a background predictor ignore it."""
    semantic: NonNegative = 0.0
    """Weight of the keypoint-semantic loss (paper, Eq. 8). The paper uses 1."""
    sam: SamConfig = SamConfig()
    """The network of the keypoint-semantic loss."""
    structure: NonNegative = 0.0
    """Weight of the structure loss (paper, Eqs. 9 and 10). The paper uses 0.1."""
    dino: DinoConfig = DinoConfig()
    """The network of the structure loss."""
    adversarial: NonNegative = 0.0
    """Weight of the adversarial loss. Any value above 0 trains a discriminator alongside the
    model. FOMM uses 1 for MGif."""
    feature_matching: NonNegative = 10.0
    """Weight of the distance between the discriminator's features of generated and real frames.
    It applies only with ``adversarial``."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """The discriminator of the adversarial loss."""
