"""Instance normalisation, ReLU and pooling, in as few passes over memory as possible."""

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

kernels: ModuleType | None
try:
    from cpabmm_core.models.fast import plane_kernels as kernels
except ImportError:  # Numba has no build for this system
    kernels = None


def normalise_relu(
    x: Tensor,  # (B, C, H, W)
    norm: nn.Module,
    *,
    pool: bool = False,
    overwrite: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # (B, C, H, W), or (B, C, H // 2, W // 2)
    """Apply a normalisation in eval mode, then ReLU, and average 2 x 2 elements if asked to.

    Args:
        x: the maps.
        norm: the normalisation.
        pool: whether to average.
        overwrite: whether the maps are needed no more, so that the result may take their place.
        out: where to write the result instead.

    Returns:
        The result, which is `out` if that is given.
    """
    if _suits_kernels(x, norm, out):
        return _by_kernel(x, norm, pool=pool, out=x if overwrite and not pool and out is None else out)
    return relu(_normalise(x, norm), pool=pool, out=out)


def relu(
    x: Tensor,  # (B, C, H, W); it is overwritten
    *,
    pool: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # (B, C, H, W), or (B, C, H // 2, W // 2)
    """Apply ReLU, and average 2 x 2 elements if asked to, as `normalise_relu` does."""
    result = F.relu(x, inplace=True)
    result = F.avg_pool2d(result, 2) if pool else result
    return result if out is None else out.copy_(result)


def _normalise(x: Tensor, norm: nn.Module) -> Tensor:
    if type(norm) is nn.InstanceNorm2d and x.device.type == "cpu" and not norm.track_running_stats:
        # The same with one channel per group; it keeps a map in the cache between its two passes.
        return F.group_norm(x, x.shape[1], norm.weight, norm.bias, norm.eps)
    result: Tensor = norm(x)
    return result


def _suits_kernels(x: Tensor, norm: nn.Module, out: Tensor | None) -> bool:
    """Return whether the kernels apply; with several threads, PyTorch's operators share the work."""
    return (
        kernels is not None
        and type(norm) is nn.InstanceNorm2d
        and norm.affine
        and not norm.track_running_stats
        and x.device.type == "cpu"
        and x.dtype == norm.weight.dtype == torch.float32
        and x.shape[2] * x.shape[3] > 1
        and x.is_contiguous()
        and (out is None or out.is_contiguous())
        and torch.get_num_threads() == 1
    )


def _by_kernel(x: Tensor, norm: nn.Module, *, pool: bool, out: Tensor | None) -> Tensor:
    assert kernels is not None
    batch, channels, height, width = x.shape
    count, eps = batch * channels, norm.eps
    maps = x.view(count, height * width).numpy()
    scale, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    if pool:
        out = x.new_empty(batch, channels, height // 2, width // 2) if out is None else out
        target = out.view(count, height // 2, width // 2).numpy()
        kernels.normalise_and_pool(maps, width, scale, shift, eps, target)
    else:
        out = torch.empty_like(x) if out is None else out
        kernels.normalise(maps, scale, shift, eps, out.view(count, height * width).numpy())
    return out
