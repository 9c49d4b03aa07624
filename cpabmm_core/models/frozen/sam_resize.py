"""Change the input size of a Segment Anything model."""

import torch.nn.functional as F
from segment_anything.modeling import Sam
from torch import nn

from cpabmm_core.errors import ConfigError


def resize_sam(sam: Sam, image_size: int) -> None:
    """Change the input size of a model in place, to save computation.

    This is an approximation: the network was not trained for patches that each cover more of the
    image. The position embedding is interpolated (bicubic), and the library interpolates the
    relative positions of the global attention. Local attention keeps its windows of 14 x 14
    patches and pads incomplete windows, so multiples of 14 patches (224 pixels) are efficient.

    Args:
        sam: the model.
        image_size: side of the input in pixels, a multiple of the patch size (16).

    Raises:
        ConfigError: the size is not a multiple of the patch size.
    """
    encoder, prompts = sam.image_encoder, sam.prompt_encoder
    patch: int = encoder.patch_embed.proj.stride[0]
    cells, rest = divmod(image_size, patch)
    if rest or not cells:
        nearest = max(cells, 1) * patch
        raise ConfigError(
            f"losses.sam.image_size: expected a multiple of SAM's patch size {patch}, got "
            f"{image_size}; use {nearest} or {nearest + patch}"
        )
    if image_size == encoder.img_size:
        return
    encoder.img_size = image_size
    if encoder.pos_embed is not None:
        grid = encoder.pos_embed.detach().permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (cells, cells), mode="bicubic", antialias=True)
        encoder.pos_embed = nn.Parameter(grid.permute(0, 2, 3, 1).contiguous())
    prompts.input_image_size = (image_size, image_size)
    prompts.image_embedding_size = (cells, cells)
    prompts.mask_input_size = (4 * cells, 4 * cells)
