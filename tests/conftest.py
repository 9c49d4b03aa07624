from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """The tensors of tests are small: threads cost more than they give."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def rcnn_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Weights of a Keypoint R-CNN: 237 MB, so written once and removed in the end."""
    from _helpers.frozen_nets import write_keypoint_rcnn

    path = tmp_path_factory.mktemp("keypoint_rcnn") / "weights.pth"
    write_keypoint_rcnn(path)
    yield path
    path.unlink()
