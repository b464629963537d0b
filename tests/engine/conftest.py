"""Runs are small, share one store of decoded images, and take one thread."""

from types import SimpleNamespace

import pytest
import torch

from tests import small


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _small_machine(cache, monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("MEDVL_CACHE", str(cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, cache):
    """A run of both stages, not to be changed: `file`, and a folder for each stage."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDVL_CACHE", str(cache))
        outcomes = small.run(small.write(root))
    return SimpleNamespace(
        root=root, file=root / "small.yaml", **{name: outcome.folder for name, outcome in outcomes.items()}
    )
