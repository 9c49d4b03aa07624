"""A convolution for inference, by the fastest algorithm for its shape."""

from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.compilation import Kernels
from cpabmm_core.convolution.fusion import Fusion, Moments
from cpabmm_core.convolution.trial import is_faster

if TYPE_CHECKING:  # these modules need Numba
    from cpabmm_core.convolution.filters import Filters

KERNELS = Kernels("cpabmm_core.convolution.rehearsal")
"""The kernels of all convolutions."""


class Convolution:
    """A convolution for inference, by the fastest algorithm for its shape.

    On a CPU in float32, a 3 x 3 convolution of stride 1 is computed with a quarter of the
    multiplications: by Winograd's F(4 x 4, 3 x 3), or after upsampling from sums and differences.
    The first call of a shape tries this and PyTorch's operator, and later calls take the faster
    one. Everything else is left to PyTorch: other types, devices and kernels, autocast, gradients.

    The result of the tiled form is in channels-last order, and input in this order is not copied.
    An object may be called from several threads at once.

    Example:
        >>> import torch
        >>> conv = nn.Conv2d(3, 8, 3, padding=1)
        >>> fast = Convolution(conv)
        >>> x = torch.rand(1, 3, 9, 7)
        >>> with torch.no_grad():
        ...     torch.allclose(fast(x), conv(x), atol=1e-5)
        True
    """

    def __init__(self, conv: nn.Conv2d, *, upsampled: bool = False) -> None:
        """Wrap a module.

        Args:
            conv: the module; a later change of its weights is seen.
            upsampled: upsample the input by 2 (nearest neighbour) first.
        """
        self._conv = conv
        self._upsampled = upsampled
        self._padding = _tiled_padding(conv, upsampled=upsampled)
        self._filters: Filters | None = None

    def __call__(
        self,
        x: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, D, H', W')
        """Apply the convolution."""
        return self._compute(x, Fusion())[0]

    def fused(
        self,
        x: Tensor,  # (B, C, H, W)
        fusion: Fusion,
    ) -> tuple[Tensor, Moments | None]:  # (B, D, H', W')
        """Apply the convolution, with more work on its input and its result on the way.

        Args:
            x: the input.
            fusion: what else to do.

        Returns:
            The result, and its moments if they are asked for.
        """
        return self._compute(x, fusion)

    def _compute(self, x: Tensor, fusion: Fusion) -> tuple[Tensor, Moments | None]:
        if not self._suits(x, fusion):
            return self._plain(x, fusion)
        key = (
            *x.shape,
            self._conv.out_channels,
            self._padding,
            self._upsampled,
            x.stride(1) == 1,
            fusion.scale is None,
            fusion.residual is None,
            fusion.moments,
            torch.get_num_threads(),
        )
        if is_faster(key, lambda: self._tiled(x, fusion), lambda: self._plain(x, fusion)):
            return self._tiled(x, fusion)
        return self._plain(x, fusion)

    def _plain(self, x: Tensor, fusion: Fusion) -> tuple[Tensor, Moments | None]:
        x = fusion.before(x)
        if self._upsampled:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return fusion.after(self._conv(x))

    def _tiled(self, x: Tensor, fusion: Fusion) -> tuple[Tensor, Moments | None]:
        conv, tiles = self._conv, _tiles()
        assert tiles is not None
        filters = self._filters  # one reading: another thread may replace it
        if filters is None or filters.identity != tiles.identity(conv):
            filters = self._filters = tiles.pack(conv, upsampled=self._upsampled)
        result: tuple[Tensor, Moments | None] = tiles.convolve(
            x,
            filters,
            conv.out_channels,
            self._padding,
            upsampled=self._upsampled,
            fusion=fusion,
        )
        return result

    def _suits(self, x: Tensor, fusion: Fusion) -> bool:
        """Return whether the tiled form computes this."""
        if self._padding is None or x.dim() != 4 or x.numel() == 0:
            return False
        conv = self._conv
        parameters = [conv.weight] if conv.bias is None else [conv.weight, conv.bias]
        inputs = (x, fusion.scale, fusion.shift, fusion.residual)
        tensors = [*parameters, *(tensor for tensor in inputs if tensor is not None)]
        return (
            all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)
            and x.shape[1] == conv.in_channels
            and min(x.shape[2] + 2 * self._padding[0], x.shape[3] + 2 * self._padding[1]) >= 3
            and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
            and not (conv._forward_hooks or conv._forward_pre_hooks)
            and not (torch.is_autocast_enabled("cpu") or any(t.is_neg() for t in tensors))
            and not (torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None)
            and KERNELS.ready()
            and _tiles() is not None
        )


def _tiled_padding(conv: nn.Conv2d, *, upsampled: bool) -> tuple[int, int] | None:
    """Return the padding of a convolution that the tiled form computes, else None."""
    if (
        type(conv) is not nn.Conv2d  # a subclass may compute something else
        or conv.kernel_size != (3, 3)
        or conv.stride != (1, 1)
        or conv.dilation != (1, 1)
        or conv.groups != 1
        or conv.padding_mode != "zeros"
    ):
        return None
    padding = {"same": (1, 1), "valid": (0, 0)}.get(str(conv.padding), conv.padding)
    rows, columns = int(padding[0]), int(padding[1])
    return None if upsampled and (rows, columns) != (1, 1) else (rows, columns)


@lru_cache
def _tiles() -> ModuleType | None:
    try:
        return import_module("cpabmm_core.convolution.tiles")
    except ImportError:  # Numba has no build for this system
        return None
