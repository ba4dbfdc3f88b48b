"""What all tests share."""

from collections.abc import Iterator

import hypothesis
import pytest

# The same examples every time, so that a failure belongs to the change that made it.
hypothesis.settings.register_profile("vsr", deadline=None, derandomize=True, max_examples=30)
hypothesis.settings.load_profile("vsr")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled networks go to a folder of the tests' own, not to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
