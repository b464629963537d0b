"""As in the engine's tests: one store of decoded images, one thread."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from tests.engine.conftest import small_machine
from tests.tables import small_table


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("table-cache")


@pytest.fixture(autouse=True)
def _small_machine(cache):
    with small_machine(cache):
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory, cache):
    """The small table, run by two worker processes from the command line; not to be changed."""
    root = tmp_path_factory.mktemp("table")
    file = small_table.write(root)
    with small_machine(cache):
        done = CliRunner().invoke(app, ["table", str(file), "--jobs", "2"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return SimpleNamespace(root=root, file=file, stdout=done.stdout, tables=root / "runs/small/tables")
