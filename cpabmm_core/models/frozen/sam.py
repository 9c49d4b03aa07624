"""Semantic features of keypoints from a frozen Segment Anything model (Kirillov et al., 2023).

The networks are the classes of Meta's library ``segment_anything``. Its loader is not used because
it unpickles the file.
"""

from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError
from cpabmm_core.geometry.coordinates import to_pixels
from cpabmm_core.models.frozen.sam_resize import resize_sam
from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights
from cpabmm_core.precision import DTYPES, Precision

SamModel = Literal["vit_b", "vit_l", "vit_h"]
_PATCHES_AT_ONCE = 4096
"""One image of 1024 pixels; each of its attention maps takes 0.8 GB (vit_b, float32)."""


def _file(model: SamModel, name: str, megabytes: int, sha256: str) -> WeightFile:
    return WeightFile(
        what=f"Segment Anything's {model}",
        name=name,
        source=f"https://dl.fbaipublicfiles.com/segment_anything/{name}",
        megabytes=megabytes,
        key="losses.sam.weights",
        sha256=sha256,
        licence="Apache-2.0",
    )


# The digits in the file names are MD5 sums; the files are checked by SHA-256.
SAM_FILES: dict[SamModel, WeightFile] = {
    "vit_b": _file("vit_b", "sam_vit_b_01ec64.pth", 375, "ec2df62732614e57411cdcf32a23ffdf"),
    "vit_l": _file("vit_l", "sam_vit_l_0b3195.pth", 1250, "3adcc4315b642a4d2101128f611684e8"),
    "vit_h": _file("vit_h", "sam_vit_h_4b8939.pth", 2565, "a7bf3b02f3ebf1267aba913ff637d9a2"),
}
"""Published weights by the size of the image encoder."""


class SamFeatures(nn.Module):
    """Embeddings of images and of their keypoints by a frozen Segment Anything model.

    Args:
        sam: the model; it becomes part of this module, frozen and in eval mode.
        precision: precision of the image encoder. ``fp16`` and ``bf16`` permanently convert the
            weights of its linear and convolutional layers. Everything else is float32.
    """

    dense_position: Tensor  # (1, C, h, w), position encoding of the image embedding

    def __init__(self, sam: Sam, precision: Precision = "fp32") -> None:
        super().__init__()
        self.sam = sam
        self.encoder_dtype = None if precision == "fp32" else DTYPES[precision]
        if self.encoder_dtype is not None:
            for part in sam.image_encoder.modules():
                if isinstance(part, nn.Linear | nn.Conv2d):
                    part.to(self.encoder_dtype)
        position = sam.prompt_encoder.get_dense_pe()
        self.register_buffer("dense_position", position, persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "SamFeatures":
        """Stay in eval mode, whatever `mode` is: the network is frozen."""
        return super().train(False)

    @torch.no_grad()
    def embed_images(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, C, h, w) float32, C = 256
        """Compute the image embeddings, without gradient.

        As in SAM, the longer side is resized to the model's image size, the colours are normalised,
        and the image is padded to a square at the right and the bottom.
        """
        size = self.sam.image_encoder.img_size
        fitted = ResizeLongestSide.get_preprocess_shape(*images.shape[2:], size)
        resized = F.interpolate(255 * images, fitted, mode="bilinear", antialias=True)
        inputs = self.sam.preprocess(resized)
        patches = self.dense_position.shape[2] * self.dense_position.shape[3]
        parts = inputs.split(max(1, _PATCHES_AT_ONCE // patches))
        dtype = self.encoder_dtype
        with torch.autocast(inputs.device.type, dtype, enabled=dtype is not None):
            embeddings = [self.sam.image_encoder(part) for part in parts]
        return torch.cat(embeddings).to(self.dense_position.dtype)

    def keypoint_tokens(
        self,
        embedding: Tensor,  # (B, C, h, w)
        keypoints: Tensor,  # (B, N, 2) in [-1, 1]
        size: tuple[int, int],
    ) -> Tensor:  # (B, N, C)
        """Compute the mask decoder's output tokens at all keypoints together (the paper's Eq. 8).

        The keypoints are positive point prompts for one mask. The decoder's two-way transformer
        attends between them, the image and its own tokens. It runs in float32 even under autocast.

        Convention: keypoints are (x, y); -1 and 1 are the centres of the first and last pixel of
        the embedded image (``align_corners=True``). The tokens are differentiable in the keypoints.

        Args:
            embedding: image embeddings from `embed_images`.
            keypoints: keypoints of the images.
            size: (H, W) of the images in pixels, before resizing.

        Returns:
            One token per keypoint.
        """
        decoder, prompts = self.sam.mask_decoder, self.sam.prompt_encoder
        batch = len(keypoints)
        with torch.autocast(keypoints.device.type, enabled=False):
            points = self._point_prompts(keypoints.to(embedding.dtype), size)
            own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
            tokens = torch.cat([own.expand(batch, -1, -1), points], dim=1)
            no_mask = prompts.no_mask_embed.weight.view(1, -1, 1, 1)
            position = self.dense_position.expand(batch, -1, -1, -1)
            mixed, _ = decoder.transformer(embedding + no_mask, position, tokens)
        at_keypoints: Tensor = mixed[:, len(own) : -1]  # the last token is "not a point"
        return at_keypoints

    def _point_prompts(
        self,
        keypoints: Tensor,  # (B, N, 2) in [-1, 1]
        size: tuple[int, int],
    ) -> Tensor:  # (B, N + 1, C)
        """Embed positive points, followed by the "not a point" that SAM appends without a box.

        The prompt encoder's own method gives the same result, but its masked assignments each
        synchronise a GPU.
        """
        prompts, image_size = self.sam.prompt_encoder, self.sam.image_encoder.img_size
        positions = to_sam_pixels(keypoints, size, image_size) / image_size
        positive = prompts.pe_layer._pe_encoding(positions) + prompts.point_embeddings[1].weight
        no_point = prompts.not_a_point_embed.weight.expand(len(keypoints), 1, -1)
        return torch.cat([positive, no_point], dim=1)


def to_sam_pixels(
    keypoints: Tensor,  # (..., 2) in [-1, 1]
    size: tuple[int, int],
    image_size: int,
) -> Tensor:  # (..., 2) in pixels of SAM's input, (0, 0) is its upper left corner
    """Convert keypoints of an image to positions in SAM's square input.

    Convention: keypoints are (x, y); -1 and 1 are the centres of the first and last pixel.

    Args:
        keypoints: keypoints of the image.
        size: (H, W) of the image, in pixels.
        image_size: side of SAM's input, in pixels.

    Example:
        >>> to_sam_pixels(torch.tensor([-1.0, 1.0]), (256, 256), 1024)  # half a pixel, times 4
        tensor([   2., 1022.])
    """
    height, width = size
    fitted_height, fitted_width = ResizeLongestSide.get_preprocess_shape(*size, image_size)
    # Resizing maps edges to edges, so it scales positions measured from the edge, where the centre
    # of pixel k is at k + 0.5. SAM adds this 0.5 after scaling the pixel indices, which is exact
    # only for images of its own size. For 256 pixels it would be off by 1.5 of its 1024 pixels.
    from_edge = to_pixels(keypoints, height, width) + 0.5
    return from_edge * from_edge.new_tensor([fitted_width / width, fitted_height / height])


def load_sam(
    path: Path,
    model: SamModel = "vit_b",
    *,
    image_size: int = 1024,
    precision: Precision = "fp32",
) -> SamFeatures:
    """Read Segment Anything's weights, without executing code from the file.

    Args:
        path: the file that Meta publishes, see `SAM_FILES` and `find_weights`.
        model: size of the image encoder.
        image_size: side in pixels at which images are embedded. The model was trained with 1024;
            for other sizes see `resize_sam`.
        precision: precision of the image encoder, see `SamFeatures`.

    Raises:
        CheckpointError: the file is missing, damaged, or belongs to another network.
        ConfigError: the image size is not a multiple of 16.
    """
    what = SAM_FILES[model].what
    tensors = read_weights(path, what)
    other = _other_model(tensors, model)
    if other is not None:
        raise CheckpointError(
            f"{path}: holds {SAM_FILES[other].what}, not {model}; set losses.sam.model to {other} "
            f"or provide {SAM_FILES[model].name}"
        )
    sam = _empty_sam(model)
    for part in sam.children():  # the pixel statistics belong to Sam itself and are set
        part.to_empty(device="cpu")
    fill(sam, tensors, path, what)
    resize_sam(sam, image_size)
    return SamFeatures(sam, precision)


def _empty_sam(model: SamModel) -> Sam:
    """Build the architecture on the meta device, without allocating or initialising weights."""
    with torch.device("meta"):
        return sam_model_registry[model]()


def _other_model(tensors: dict[str, Any], model: SamModel) -> SamModel | None:
    """Return the model that the weights belong to, if it is not `model`."""
    shapes = {name: getattr(value, "shape", None) for name, value in tensors.items()}
    for other in SAM_FILES:
        wanted = {name: value.shape for name, value in _empty_sam(other).state_dict().items()}
        if other != model and shapes == wanted:
            return other
    return None
