"""Convolution for inference, compared with PyTorch's operator in float64."""

import copy
import threading
from collections.abc import Iterator
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.convolution import convolution, tiles, trial
from cpabmm_core.convolution.convolution import Convolution
from cpabmm_core.convolution.fusion import Fusion, Moments

ERROR = 2e-5  # of the largest result; measured: 7e-6
EXACT_ERROR = 2e-6  # of PyTorch's operator in float32
SHAPES = [  # batch, channels, out channels, height, width
    (1, 1, 1, 1, 1),
    (1, 3, 8, 9, 7),
    (2, 16, 16, 4, 4),
    (3, 17, 33, 5, 30),
    (1, 5, 4, 3, 3),
    (2, 40, 70, 13, 31),
    (7, 20, 50, 8, 8),
    (1, 100, 17, 70, 66),
]


@pytest.fixture(autouse=True)
def _tiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the tiled form win every trial, use threads for little work, and restore PyTorch's."""
    monkeypatch.setattr(trial, "_choices", {})
    monkeypatch.setattr(trial, "_try", lambda _first, _second: True)
    monkeypatch.setattr(tiles, "_PRODUCTS_PER_THREAD", 1)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def exact(conv: nn.Conv2d, x: Tensor, *, upsampled: bool = False) -> Tensor:
    """Return the truth in float64."""
    x = x.double()
    if upsampled:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
    result: Tensor = copy.deepcopy(conv).double()(x)
    return result


def error(found: Tensor, truth: Tensor) -> float:
    """Return the largest error, relative to the largest number."""
    assert found.shape == truth.shape
    return float((found - truth).abs().max() / truth.abs().max())


def layer(
    channels: int, out_channels: int, padding: int | str = 1, *, bias: bool = True
) -> nn.Conv2d:
    torch.manual_seed(channels)
    return nn.Conv2d(channels, out_channels, 3, padding=padding, bias=bias).requires_grad_(False)


def is_tiled(fast: Convolution, x: Tensor) -> bool:
    """Return whether the tiled form computes this, told by its order in memory."""
    wide = x.contiguous()
    return bool(fast(wide).stride() != fast._conv(wide).stride())


@pytest.mark.parametrize("upsampled", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_shape(shape: tuple[int, ...], upsampled: bool) -> None:
    batch, channels, out_channels, height, width = shape
    conv, x = layer(channels, out_channels), torch.randn(batch, channels, height, width)
    found = Convolution(conv, upsampled=upsampled)(x)
    assert error(found, exact(conv, x, upsampled=upsampled)) < ERROR


@pytest.mark.parametrize("padding", [0, 1, 2, 3, (0, 2), "same", "valid"])
def test_any_padding(padding: int | str) -> None:
    conv, x = layer(6, 20, padding), torch.randn(2, 6, 10, 13)
    fast = Convolution(conv)
    assert is_tiled(fast, x)
    assert error(fast(x), exact(conv, x)) < ERROR


@pytest.mark.parametrize("upsampled", [False, True])
def test_without_a_bias(upsampled: bool) -> None:
    conv, x = layer(16, 20, bias=False), torch.randn(1, 16, 9, 9)
    found = Convolution(conv, upsampled=upsampled)(x)
    assert error(found, exact(conv, x, upsampled=upsampled)) < ERROR


@pytest.mark.parametrize("upsampled", [False, True])
def test_any_layout(upsampled: bool) -> None:
    conv, fast = (one := layer(20, 18)), Convolution(one, upsampled=upsampled)
    base = torch.randn(2, 25, 16, 13)
    last = base.contiguous(memory_format=torch.channels_last)
    for x in (
        base[:, 3:23],
        last[:, 3:23],
        last[:, 3:23, 1:12, 2:9],
        base[:, 3:23, ::2, ::3],
        last[:1, 3:23].expand(3, -1, -1, -1),
        base[:, 3:23].transpose(2, 3),
    ):
        assert error(fast(x), exact(conv, x, upsampled=upsampled)) < ERROR


@pytest.mark.parametrize("upsampled", [False, True])
def test_threads_do_not_change_the_result(upsampled: bool) -> None:
    fast, x = Convolution(layer(20, 40), upsampled=upsampled), torch.randn(3, 20, 19, 23)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(fast(x))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_strips_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, x = Convolution(layer(20, 40)), torch.randn(3, 20, 19, 23)
    whole = fast(x)
    for length in (1, 7, 32):
        monkeypatch.setattr(tiles, "_FEWEST", length)
        monkeypatch.setattr(tiles, "_MOST", length)
        assert torch.equal(fast(x), whole)


def test_several_threads_at_once() -> None:
    convs = [layer(16 + number, 24) for number in range(4)]
    fasts = [Convolution(conv) for conv in convs]
    x = [torch.randn(2, 16 + number, 17, 20) for number in range(4)]
    errors: list[float] = []

    def repeat(number: int) -> None:
        for turn in range(10):
            each = (number + turn) % 4
            errors.append(error(fasts[each](x[each]), exact(convs[each], x[each])))

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 40
    assert max(errors) < ERROR


@pytest.mark.parametrize("upsampled", [False, True])
def test_changed_weights_are_seen(upsampled: bool) -> None:
    conv, x = layer(16, 20), torch.randn(1, 16, 9, 9)
    fast = Convolution(conv, upsampled=upsampled)

    def check() -> None:
        assert error(fast(x), exact(conv, x, upsampled=upsampled)) < ERROR

    check()
    conv.weight.mul_(2)
    check()
    assert conv.bias is not None
    conv.bias.add_(5)
    check()
    conv.weight.data = torch.randn(20, 16, 3, 3)
    check()
    conv.load_state_dict(layer(16, 20, bias=True).state_dict(), assign=True)
    check()
    for _ in range(20):  # a new parameter may take the place of the old one in memory
        conv.weight = nn.Parameter(torch.randn(20, 16, 3, 3), requires_grad=False)
        check()
    conv.bias = None
    check()


def test_weights_made_in_inference_mode() -> None:
    with torch.inference_mode():
        conv, x = layer(16, 20), torch.randn(1, 16, 9, 9)
        fast = Convolution(conv)
        assert is_tiled(fast, x)
        assert error(fast(x), exact(conv, x)) < ERROR


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_pytorch(dtype: torch.dtype) -> None:
    conv, x = layer(16, 20), torch.randn(1, 16, 9, 9)
    fast = Convolution(conv)
    assert is_tiled(fast, x)
    conv.to(dtype)
    assert torch.equal(fast(x.to(dtype)), conv(x.to(dtype)))
    conv.to(torch.float32)
    assert is_tiled(fast, x)
    assert error(fast(x), exact(conv, x)) < ERROR


def test_autocast_is_left_to_pytorch() -> None:
    conv, x = layer(16, 20), torch.randn(1, 16, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        found = Convolution(conv)(x)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, conv(x))


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2},
        {"dilation": 2},
        {"groups": 2},
        {"padding_mode": "reflect"},
        {"kernel_size": 1, "padding": 0},
        {"kernel_size": (3, 5)},
    ],
    ids=str,
)
@torch.no_grad()
def test_other_convolutions_are_left_to_pytorch(options: dict[str, int | str]) -> None:
    conv = nn.Conv2d(4, 6, **{"kernel_size": 3, "padding": 1, **options})  # type: ignore[arg-type]
    x = torch.randn(2, 4, 12, 12)
    assert torch.equal(Convolution(conv)(x), conv(x))
    doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
    assert torch.equal(Convolution(conv, upsampled=True)(x), conv(doubled))


def test_gradients_are_left_to_pytorch() -> None:
    conv, x = layer(4, 6), torch.randn(1, 4, 8, 8, requires_grad=True)
    Convolution(conv)(x).sum().backward()
    truth = torch.autograd.grad(conv(x).sum(), x)[0]
    assert x.grad is not None
    assert torch.equal(x.grad, truth)


def test_hooks_run_and_subclasses_compute() -> None:
    class Doubled(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    x = torch.randn(1, 4, 8, 8)
    conv = Doubled(4, 6, 3, padding=1).requires_grad_(False)
    assert torch.equal(Convolution(conv)(x), conv(x))
    hooked, calls = layer(4, 6), []
    hooked.register_forward_hook(lambda *_: calls.append(1))
    Convolution(hooked)(x)
    assert calls == [1]


def test_wrong_input_has_the_error_of_pytorch() -> None:
    fast = Convolution(layer(4, 6, 0))
    for shape in ((1, 5, 8, 8), (1, 4, 2, 8), (4,)):
        with pytest.raises(RuntimeError):
            fast(torch.randn(shape))


def test_empty_batches_and_single_images() -> None:
    conv = layer(4, 6)
    fast = Convolution(conv)
    assert fast(torch.randn(0, 4, 8, 8)).shape == (0, 6, 8, 8)
    x = torch.randn(4, 8, 8)
    assert torch.equal(fast(x), conv(x))


def test_nan_and_infinity_do_not_spread_far() -> None:
    x = torch.randn(1, 16, 40, 40)
    x[0, 0, 20, 20] = torch.nan
    found = Convolution(layer(16, 20))(x)
    assert found[..., 20, 20].isnan().all()
    far = torch.cat((found[..., :12], found[..., 28:]), dim=3)
    assert far.isfinite().all()


@pytest.mark.parametrize("upsampled", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fusion(shape: tuple[int, ...], upsampled: bool) -> None:
    batch, channels, out_channels, height, width = shape
    conv, x = layer(channels, out_channels), torch.randn(batch, channels, height, width)
    scale, shift = torch.randn(2, batch, channels)
    factor = 2 if upsampled else 1
    residual = torch.randn(batch, out_channels, factor * height, factor * width)
    fast = Convolution(conv, upsampled=upsampled)
    for activated, added, moments in product((False, True), repeat=3):
        fusion = Fusion(
            scale if activated else None,
            shift if activated else None,
            residual if added else None,
            moments,
        )
        found, measured = fast.fused(x, fusion)
        seen = x.double()
        if activated:
            seen = F.relu(seen * scale[..., None, None] + shift[..., None, None])
        truth = exact(conv, seen, upsampled=upsampled) + (residual if added else 0)
        assert error(found, truth) < ERROR
        plain, _ = fast._plain(x, fusion)
        assert error(plain, truth) < EXACT_ERROR
        assert (measured is None) is not moments
        if measured is not None:
            variance, mean = torch.var_mean(found.double(), dim=(2, 3), correction=0)
            assert (measured.mean - mean).abs().max() < 1e-6 * found.abs().max()
            assert (measured.variance - variance).abs().max() < 1e-6 * found.abs().max() ** 2


def test_moments_by_pytorch() -> None:
    maps = torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]])
    assert Moments.of(maps) == (torch.tensor([[2.0]]), torch.tensor([[1.0]]))


def test_filters_and_scratch_memory_are_bounded() -> None:
    conv = layer(64, 64)
    fast = Convolution(conv)
    fast(torch.randn(1, 64, 256, 256))
    assert fast._filters is not None
    assert fast._filters.weight.nbytes <= 4 * conv.weight.nbytes
    transformed = 36 / 16 * 256 * 256 * (64 + 64) * 4
    assert sum(spare.nbytes for spare in tiles._spare) < transformed / 4


def test_without_numba_pytorch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "_tiles", lambda: None)
    conv, x = layer(4, 6), torch.randn(1, 4, 8, 8)
    assert torch.equal(Convolution(conv)(x), conv(x))
