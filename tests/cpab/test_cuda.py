"""Tests that need a CUDA device: the compiled kernels, and work without synchronisation."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.cpab.engines import engine_for, plain
from cpabmm_core.cpab.space import Boundary
from cpabmm_core.cpab.transformation import transform_with_jacobian

gpu = pytest.importorskip(
    "cpabmm_core.cpab.engines.gpu", reason="Triton does not run here", exc_type=ImportError
)
pytestmark = pytest.mark.gpu

# Near edges rounding decides in float32, see `interpreted_gpu_engine.py`.
END = {torch.float64: 1e-11, torch.float32: 5e-6}
GRADIENT = {torch.float64: 1e-9, torch.float32: 5e-4}


@pytest.fixture
def never_waits() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Check that work never synchronises after a first call, which may copy constants."""

    def check(work: Callable[[], object]) -> None:
        work()
        torch.cuda.set_sync_debug_mode("error")
        work()

    yield check
    torch.cuda.set_sync_debug_mode("default")


def case(space: VelocitySpace, dtype: torch.dtype, count: int = 500) -> tuple[Tensor, Tensor]:
    """Return theta (3, dim) and points (3, count, 2) on the CPU."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(3, space.dim, generator=generator, dtype=torch.float64)
    points = 1.4 * torch.rand(3, count, 2, generator=generator, dtype=torch.float64) - 0.2
    return theta.to(dtype), points.to(dtype)


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    scale = expected.abs().max().clamp_min(1)
    assert ((actual.cpu().double() - expected).abs().max() / scale) < tolerance


def with_gradients(space: VelocitySpace, theta: Tensor, points: Tensor) -> tuple[Tensor, ...]:
    theta, points = theta.detach().requires_grad_(), points.detach().requires_grad_()
    end = transform(space, theta, points)
    return (end.detach(), *torch.autograd.grad(end.cos().sum(), (theta, points)))


def captured(work: Callable[[], tuple[Tensor, ...]]) -> tuple[torch.cuda.CUDAGraph, list[Tensor]]:
    """Return a graph of the work, not replayed yet, and the tensors of its results."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()  # compiles and fills caches
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = [*work()]
    return graph, results


def test_triton_is_used() -> None:
    """Most other tests would also pass with the fallback."""
    assert engine_for(torch.zeros(1, device="cuda")) is gpu


@pytest.mark.parametrize("dtype", END)
@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_transform_equals_the_cpu(boundary: Boundary, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(4, 3), boundary)
    theta, points = case(space, dtype)
    ends, *gradients = with_gradients(space, theta.cuda(), points.cuda())
    true_ends, *true_gradients = with_gradients(space, theta.double(), points.double())
    assert ends.dtype == dtype
    assert_near(ends, true_ends, END[dtype])
    for mine, true in zip(gradients, true_gradients, strict=True):
        assert mine.dtype == dtype
        assert_near(mine, true, GRADIENT[dtype])


@pytest.mark.parametrize("dtype", END)
@pytest.mark.parametrize("squares", [(1, 1), (4, 4), (6, 6)])
def test_jacobian_equals_the_cpu(squares: tuple[int, int], dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(*squares))
    theta, points = case(space, dtype, 50)
    _, jacobian = transform_with_jacobian(space, theta.cuda(), points.cuda())
    _, true = transform_with_jacobian(space, theta.double(), points.double())
    assert_near(jacobian, true, GRADIENT[dtype])


def test_plain_engine_runs_on_cuda_too() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    theta, points = (tensor.cuda() for tensor in case(space, torch.float64))
    affine = space.affine(theta)
    end, _ = plain.forward(space, affine, points, record=False)
    assert_near(transform(space, theta, points), end.cpu(), END[torch.float64])


def test_nan_and_overflowing_paths_end() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    affine = torch.zeros(2, 16, 2, 3, device="cuda")
    affine[0, :, 0, 0] = affine[0, :, 1, 1] = 1e30
    affine[1] = torch.nan
    points = torch.full((2, 100, 2), 0.4, device="cuda")
    points[0, 7] = torch.nan
    end, record = gpu.forward(space, affine, points, record=True)
    gpu.backward(space, affine, record, points)
    assert not end.isfinite().any()


@pytest.mark.parametrize(("batch", "count"), [(0, 5), (2, 0)])
def test_empty_batches(batch: int, count: int) -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = torch.zeros(batch, space.dim, device="cuda")
    results = with_gradients(space, theta, torch.zeros(batch, count, 2, device="cuda"))
    assert [result.shape for result in results] == [
        (batch, count, 2),
        theta.shape,
        results[0].shape,
    ]


def test_a_graph_of_the_transform_follows_its_inputs() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    theta, points = (tensor.cuda() for tensor in case(space, torch.float32))
    still = torch.zeros_like(theta)
    graph, results = captured(lambda: with_gradients(space, still, points))
    still.copy_(theta)
    graph.replay()
    for mine, expected in zip(results, with_gradients(space, theta, points), strict=True):
        assert_near(mine, expected.cpu().double(), 1e-5)  # the order of summation differs


def test_a_graph_of_the_fit_follows_its_inputs() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    _, source = (tensor.cuda() for tensor in case(space, torch.float32, 5))
    target = source.clone()
    graph, (theta,) = captured(lambda: (fit(space, source, target).theta,))
    target += 0.05
    graph.replay()
    assert_near(theta, fit(space, source, target).theta.cpu().double(), 1e-5)


def test_a_graph_of_the_gradient_of_the_fit_follows_its_inputs() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    _, source = (tensor.cuda() for tensor in case(space, torch.float32, 5))
    target = source.clone()

    def gradient() -> tuple[Tensor, ...]:
        to = target.detach().requires_grad_()
        theta = fit(space, source, to, differentiable=True).theta
        return torch.autograd.grad(theta.cos().sum(), to)

    graph, (by_target,) = captured(gradient)
    target += 0.05
    graph.replay()
    assert_near(by_target, gradient()[0].cpu().double(), 1e-4)


def test_transform_never_waits_for_the_device(
    never_waits: Callable[[Callable[[], object]], None],
) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    theta = torch.zeros(3, space.dim, device="cuda")
    points = torch.zeros(3, 9, 2, device="cuda")
    never_waits(lambda: with_gradients(space, theta, points))
    never_waits(lambda: transform_with_jacobian(space, theta, points))


def test_fit_never_waits_for_the_device(
    never_waits: Callable[[Callable[[], object]], None],
) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    points = torch.full((3, 5, 2), 0.5, device="cuda")
    never_waits(lambda: fit(space, points, points))
