"""A Segment Anything model, built from the library's classes and small enough for a test."""

from functools import partial

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

CHANNELS = 32


def tiny_sam(*, image_size: int = 96, width: int = 16, seed: int = 0) -> Sam:
    """Build a model in eval mode, with random weights that depend only on the seed.

    One encoder block attends to windows of 4 x 4 patches, the other to the whole image. The library
    initialises position embeddings with zeros, which would hide mistakes; here they are random.
    """
    cells = image_size // 16
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = Sam(
            image_encoder=ImageEncoderViT(
                depth=2,
                embed_dim=width,
                img_size=image_size,
                mlp_ratio=2,
                norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
                num_heads=2,
                patch_size=16,
                qkv_bias=True,
                use_rel_pos=True,
                global_attn_indexes=(1,),
                window_size=4,
                out_chans=CHANNELS,
            ),
            prompt_encoder=PromptEncoder(
                embed_dim=CHANNELS,
                image_embedding_size=(cells, cells),
                input_image_size=(image_size, image_size),
                mask_in_chans=4,
            ),
            mask_decoder=MaskDecoder(
                num_multimask_outputs=3,
                transformer=TwoWayTransformer(
                    depth=2, embedding_dim=CHANNELS, mlp_dim=64, num_heads=4
                ),
                transformer_dim=CHANNELS,
            ),
        )
        for name, parameter in sam.image_encoder.named_parameters():
            if "pos" in name:
                torch.nn.init.normal_(parameter)
    return sam.eval()
