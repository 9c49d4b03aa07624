"""One page for all tests of a process: its start takes seconds."""

from collections.abc import Iterator

import pytest
from _helpers.page import Page, serve_page


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    with serve_page() as served:
        yield served
