"""Cost of the keypoint-semantic loss: SAM vit_b with random weights, 50 keypoints per frame.

    python -m pytest -s tests/benchmarks/bench_sam_cost.py

Prints the time to embed one image without gradient, and the time to compute the tokens of a pair of
frames and their gradient with respect to the keypoints. The times do not depend on the weights. On
CUDA, eight pairs are processed at once. On a CPU, one pair is processed on one thread, and
processor time is measured, which excludes other processes.
"""

import platform
from collections.abc import Callable
from functools import partial
from time import perf_counter, process_time

import torch
from segment_anything import sam_model_registry
from torch import Tensor

from cpabmm_core.losses.semantic import semantic_loss
from cpabmm_core.models.frozen.sam import SamFeatures
from cpabmm_core.models.frozen.sam_resize import resize_sam
from cpabmm_core.precision import Precision

SIZES = (224, 256, 448, 512, 1024)
FRAME = (256, 256)
KEYPOINTS = 50
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
PAIRS = 8 if CUDA else 1
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16") if CUDA else ("fp32", "bf16")


def measure_seconds(action: Callable[[], Tensor]) -> float:
    """Return the time of one call."""
    if not CUDA:
        start = process_time()
        action()
        return process_time() - start
    torch.cuda.synchronize()
    start = perf_counter()
    action()
    torch.cuda.synchronize()
    return perf_counter() - start


def differentiate_tokens(sam: SamFeatures, embedding: Tensor, keypoints: Tensor) -> Tensor:
    """Compute tokens and loss of the pairs, and the gradient with respect to the keypoints."""
    tokens = sam.keypoint_tokens(embedding, keypoints, FRAME)
    loss = semantic_loss(*tokens.chunk(2))
    [gradient] = torch.autograd.grad(loss, keypoints)
    return gradient


def describe_machine() -> str:
    name = torch.cuda.get_device_name() if CUDA else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} thread(s), PyTorch {torch.__version__}"


def test_cost_of_the_semantic_loss() -> None:
    images = torch.rand(2 * PAIRS, 3, *FRAME, device=DEVICE)
    keypoints = 2 * torch.rand(2 * PAIRS, KEYPOINTS, 2, device=DEVICE) - 1
    keypoints.requires_grad_()
    print(f"\n{describe_machine()}\n")
    print("| image size | encoder | one image, ms | tokens of a pair with gradient, ms |")
    print("|---:|---|---:|---:|")
    for precision in PRECISIONS:
        for size in SIZES:
            sam = sam_model_registry["vit_b"]()
            resize_sam(sam, size)
            features = SamFeatures(sam, precision).to(DEVICE)
            embedding = features.embed_images(images)  # the first run warms up
            differentiate_tokens(features, embedding, keypoints)
            assert embedding.shape == (2 * PAIRS, 256, size // 16, size // 16)
            image = measure_seconds(partial(features.embed_images, images)) / (2 * PAIRS)
            pair = (
                measure_seconds(partial(differentiate_tokens, features, embedding, keypoints))
                / PAIRS
            )
            print(f"| {size} | {precision} | {1e3 * image:.0f} | {1e3 * pair:.0f} |", flush=True)
