"""A ward's data on the disk, and the data verbs as a user types them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from tests.cli.data import ward

PLUGIN = str(Path(ward.__file__))


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A folder of the test's own to work in, and a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    ward.write(folder, patients=6, seed=0)
    return folder


@pytest.fixture
def data():
    """What `medvl data ...` prints, and that it ends as it should."""

    def run(*arguments: object, code: int = 0) -> str:
        given = ["data", *map(str, arguments), "--plugin", PLUGIN]
        result = CliRunner().invoke(app, given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    return run
