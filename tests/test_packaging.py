"""The wheel holds what the tree holds: packages listed by hand are easy to forget."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import medvl

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("medvl", "plugins"):
        shutil.copytree(ROOT / name, folder / "tree" / name, ignore=unwanted)
    for path in ROOT.iterdir():
        if path.is_file() and (path.suffix in (".cfg", ".toml", ".md") or path.name == "LICENSE"):
            shutil.copy(path, folder / "tree")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "tree"]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


def tree() -> set[str]:
    """What must be in the wheel, as paths there."""
    kept = (".py", ".typed", ".md", ".html")
    core = {str(path.relative_to(ROOT)) for path in (ROOT / "medvl").rglob("*") if path.suffix in kept}
    plugins = ROOT / "plugins"
    papers = {f"medvl_{path.relative_to(plugins)}" for path in plugins.rglob("*") if path.suffix in kept}
    return core | papers


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(next(path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))).decode()


def test_the_wheel_holds_the_tree_and_nothing_else(wheel):
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert sorted(inside ^ tree()) == []


def test_every_plugin_has_a_readme_and_an_entry_point(wheel):
    points = configparser.ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))
    papers = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file()}
    assert dict(points["medvl"]) == {name: f"medvl_{name}" for name in papers}
    assert {f"medvl_{name}/README.md" for name in papers} <= set(wheel.namelist())


def test_the_other_entry_points_lead_to_modules(wheel):
    points = configparser.ConfigParser()
    points.read_string(metadata(wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {"medvl": "medvl.cli.main:main"}
    for module in points["pytest11"].values():
        assert module.replace(".", "/") + ".py" in wheel.namelist()


def test_version_and_type_marker(wheel):
    assert f"\nVersion: {medvl.__version__}\n" in metadata(wheel, "METADATA")
    assert "medvl/py.typed" in wheel.namelist()
