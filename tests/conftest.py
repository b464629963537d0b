"""Settings and fixtures that every test shares."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reached for a hub would otherwise wait for its retries
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # there is a worker for every core already


def pytest_configure(config):
    """What tests compute is kept for this session alone; nobody's own cache is read or written."""
    config.medvl_cache = os.environ["MEDVL_CACHE"] = tempfile.mkdtemp(prefix="medvl-tests-")


def pytest_unconfigure(config):
    shutil.rmtree(config.medvl_cache, ignore_errors=True)


@pytest.fixture
def install_plugin(tmp_path, monkeypatch):
    """Put a distribution with one entry point on the import path: `install_plugin("extra", source)`."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def install(name: str, source: str, *, version: str = "0.3", **modules: str) -> Path:
        module = site / f"outside_{name}.py"
        module.write_text(source)
        for other, text in modules.items():
            (site / f"{other}.py").write_text(text)
        metadata = site / f"outside_{name}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: outside-{name}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[medvl]\n{name} = outside_{name}\n")
        return module

    yield install
    for name in set(sys.modules) - before:
        if str(site) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
