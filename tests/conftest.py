import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """The tensors of tests are small: threads cost more than they give."""
    torch.set_num_threads(1)
