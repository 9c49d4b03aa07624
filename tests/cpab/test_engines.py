"""The compiled engine compared with the plain one: values, gradients and Jacobians."""

import sys
import threading

import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform, transformation
from cpabmm_core.cpab.engines import _engine, cpu, engine_for, plain
from cpabmm_core.cpab.space import Boundary

TOLERANCE = {torch.float32: 2e-7, torch.float64: 1e-12}
SPACES = [
    VelocitySpace(Tessellation(4, 4)),
    VelocitySpace(Tessellation(6, 3), "zero"),
    VelocitySpace(Tessellation(1, 5), volume_preserving=True),
]


def case(space: VelocitySpace, speed: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return maps (3, cells, 2, 3) and points (3, 403, 2), some on edges and vertices."""
    generator = torch.Generator().manual_seed(7)
    theta = torch.randn(3, space.dim, generator=generator, dtype=torch.float64)
    velocity = (theta @ space.vertex_basis.flatten(1)).abs().max()
    unit = torch.rand(3, 400, 2, generator=generator, dtype=torch.float64)
    inside = unit if space.boundary == "zero" else 1.6 * unit - 0.3
    special = torch.tensor([[0.0, 0.0], [0.5, 0.5], [0.25, 0.25]]).double().expand(3, 3, 2)
    return space.affine(theta * speed / velocity), torch.cat([inside, special], dim=1).to(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("speed", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("space", SPACES, ids=["4x4", "6x3 zero", "1x5 volume"])
def test_values_and_gradients(space: VelocitySpace, speed: float, dtype: torch.dtype) -> None:
    affine, points = case(space, speed, dtype)
    end, record = cpu.forward(space, affine, points, record=True)
    same, rounds = plain.forward(space, affine, points, record=True)
    reach = 1 + same.abs().max().item()
    torch.testing.assert_close(end, same, atol=TOLERANCE[dtype] * reach, rtol=0)

    gradient = torch.randn(end.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    by_map, by_point = cpu.backward(space, affine, record, gradient)
    twin_by_map, twin_by_point = plain.backward(space, affine, rounds, gradient)
    # By theta: at an edge either cell may own the gradient, but theta receives the same.
    by_theta, twin_by_theta = (
        maps.flatten(1) @ space.basis.flatten(1).T for maps in (by_map, twin_by_map)
    )
    for mine, twin in ((by_theta, twin_by_theta), (by_point, twin_by_point)):
        scale = 1 + twin.abs().max().item()
        # Newton's method ends early for float32 points; measured: 4e-7 at speed 5
        torch.testing.assert_close(mine, twin, atol=20 * TOLERANCE[dtype] * scale, rtol=0)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("space", SPACES, ids=["4x4", "6x3 zero", "1x5 volume"])
def test_jacobians(space: VelocitySpace, dtype: torch.dtype) -> None:
    affine, points = case(space, 1.0, dtype)
    end, jacobian = cpu.jacobian(space, affine, points, space.basis)
    same, twin = plain.jacobian(space, affine, points, space.basis)
    torch.testing.assert_close(end, same, atol=TOLERANCE[dtype], rtol=0)
    torch.testing.assert_close(jacobian, twin, atol=20 * TOLERANCE[dtype], rtol=0)


@pytest.mark.parametrize("sides", [(7, 50, 60), (40, 500, 600)], ids=["small", "large"])
def test_products_of_every_size(sides: tuple[int, int, int]) -> None:
    """Large ones take another way."""
    generator = torch.Generator().manual_seed(0)
    rows, inner, columns = sides
    first = torch.randn(rows, inner, generator=generator).double()
    second = torch.randn(columns, inner, generator=generator).double().T
    expected = (first[:, :, None] * second[None]).sum(dim=1)
    torch.testing.assert_close(cpu.product(first, second), expected, atol=1e-11, rtol=0)


def test_threads_share_the_work_and_agree() -> None:
    space = SPACES[0]
    affine, points = case(space, 1.0, torch.float64)
    points = points.repeat(1, 20, 1)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            end, record = cpu.forward(space, affine, points, record=True)
            assert len(record.chunks) == count
            results.append((end, *cpu.backward(space, affine, record, torch.ones_like(end))))
    finally:
        torch.set_num_threads(threads)
    for one, three in zip(*results, strict=True):
        torch.testing.assert_close(one, three)


def test_callers_in_several_threads_do_not_disturb_each_other() -> None:
    space = SPACES[0]
    affine, points = case(space, 1.0, torch.float64)
    alone = [cpu.forward(space, affine * k, points, record=False)[0] for k in (1, -1)]
    found: dict[int, Tensor] = {}

    def work(k: int) -> None:
        for _ in range(20):
            found[k] = cpu.forward(space, affine * k, points, record=False)[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(found[1], alone[0])
    assert torch.equal(found[-1], alone[1])


def test_the_plain_engine_replaces_a_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    space: VelocitySpace = SPACES[0]
    theta = torch.full((1, space.dim), 0.1)
    points = torch.rand(1, 20, 2, generator=torch.Generator().manual_seed(0))
    assert engine_for(points) is cpu
    compiled = transform(space, theta, points)
    monkeypatch.setitem(sys.modules, "cpabmm_core.cpab.engines.cpu", None)
    _engine.cache_clear()
    try:
        assert engine_for(points) is plain
        torch.testing.assert_close(transform(space, theta, points), compiled, atol=2e-7, rtol=0)
    finally:
        _engine.cache_clear()


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_gradcheck_of_the_plain_engine(boundary: Boundary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformation, "engine_for", lambda _: plain)
    space = VelocitySpace(Tessellation(3, 2), boundary)
    generator = torch.Generator().manual_seed(0)
    theta = (0.7 * torch.randn(2, space.dim, generator=generator).double()).requires_grad_()
    points = torch.rand(2, 6, 2, generator=generator).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t, p: transform(space, t, p), (theta, points))
