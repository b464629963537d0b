"""Runs are small, share one store of decoded images, and take one thread: the bits of a sum depend on how many."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from tests import small


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@contextmanager
def small_machine(cache):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDVL_CACHE", str(cache))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _small_machine(cache):
    with small_machine(cache):
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory, cache):
    """A run of both stages, not to be changed: `file`, and a folder for each stage."""
    root = tmp_path_factory.mktemp("finished")
    with small_machine(cache):  # a session's fixture is made before those of the test that asks for it
        outcomes = small.run(small.write(root))
    return SimpleNamespace(
        root=root, file=root / "small.yaml", **{name: outcome.folder for name, outcome in outcomes.items()}
    )
