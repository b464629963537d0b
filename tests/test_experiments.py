"""Every experiment file of the repository runs from end to end with `--smoke`."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.runs.manifest import FILE as MANIFEST
from medvl.runs.manifest import Manifest

FOLDER = Path(__file__).parents[1] / "experiments"
FILES = sorted(FOLDER.rglob("*.yaml"))
VERBS = {True: "table", False: "run"}  # with and without a matrix


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_runs_in_small(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    verb = VERBS["matrix" in yaml.safe_load(path.read_text(encoding="utf-8"))]
    done = CliRunner().invoke(app, [verb, str(path), "--smoke"])
    assert done.exit_code == 0, done.output
    stages = [manifest.parent for manifest in Path("runs", "smoke").glob(f"*/*/{MANIFEST}")]
    assert stages
    for folder in stages:
        manifest = Manifest.read(folder)
        assert manifest.status == "complete" and manifest.smoke
        assert any(note.startswith("smoke only") for note in manifest.notes)
    assert [found.name for found in Path("runs").iterdir()] == ["smoke"]


def test_the_readme_shows_the_first_experiment_as_it_is() -> None:
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("## The experiment file")[2].split("```")[1].removeprefix("yaml")
    assert yaml.safe_load(shown) == yaml.safe_load((FOLDER / "mmbt_moco.yaml").read_text(encoding="utf-8"))
