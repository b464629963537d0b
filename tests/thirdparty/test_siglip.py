"""An outsider's path: a distribution of its own is built, installed, listed, trained, graded and removed."""

import ast
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import medvl
from medvl.plugins import Plugins

SOURCE = Path(__file__).parent / "medvl_siglip"
ROOT = Path(__file__).parents[2]


class Machine:
    """A fresh environment that borrows the heavy packages of the running one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "env" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
        packages = next((folder / "env" / "lib").glob("python*/site-packages"))
        borrowed = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (packages / "borrowed.pth").write_text("\n".join([*borrowed, str(ROOT)]))

    def run(self, *arguments: str | Path, code: int = 0) -> str:
        """What a command of the environment's Python prints."""
        environment = os.environ | {"MEDVL_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [self.python, *arguments], capture_output=True, text=True, cwd=self.folder, env=environment, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "source"]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_it_is_installed_listed_trained_graded_and_removed(machine, wheel):
    install = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    machine.run(*install, wheel)
    assert "siglip" in machine.run("-m", "medvl", "list", "objective")
    light = machine.run("-c", "import sys, medvl.plugins; medvl.plugins.Plugins(); print('torch' in sys.modules)")
    assert light.strip() == "False"
    described = machine.run("-m", "medvl", "describe", "siglip")
    assert "equation 1" in described
    assert "temperature  float; default 10.0" in described
    assert "siglip  1.0" in machine.run("-m", "medvl", "plugins")

    machine.run("-m", "medvl", "run", SOURCE / "siglip.yaml", "plugins=[siglip]")
    assert list(machine.folder.glob("runs/siglip/pretrain-*/exports/image*"))
    graded = machine.run("-m", "pytest", "-p", "no:cacheprovider", SOURCE / "suite_siglip.py")
    assert "failed" not in graded
    assert " passed" in graded

    machine.run("-m", "pip", "uninstall", "--yes", "--quiet", "medvl-siglip")
    assert "siglip" not in machine.run("-m", "medvl", "list", "objective")
    assert "unknown objective 'siglip'" in machine.run("-m", "medvl", "describe", "objective", "siglip", code=1)
    missing = machine.run("-m", "medvl", "check", SOURCE / "siglip.yaml", "plugins=[siglip]", code=1)
    assert "plugin 'siglip' is not installed" in missing
    assert "pip install medvl-siglip" in missing


def test_it_runs_as_one_file(machine):
    machine.run("-m", "medvl", "run", SOURCE / "siglip.yaml", "--plugin", SOURCE / "siglip.py", "name=one_file")
    assert list(machine.folder.glob("runs/one_file/pretrain-*/exports/image*"))


def test_it_imports_public_names_alone():
    for path in SOURCE.glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        ours = {name for name in imported if name and name.partition(".")[0] == "medvl"}
        assert ours <= {"medvl", "medvl.losses", "medvl.testkit"}, path.name


def test_it_is_equation_1():
    """Pair by pair, as the paper writes it."""
    from medvl.testkit.workbench import Workbench, evaluating

    bench = Workbench.of(Plugins([SOURCE / "siglip.py"]), {"name": "siglip", "dim": 8, "bias": -2.0}, {})
    trainable, batch = bench.build(), bench.batch(rows=5)
    objective = trainable.objective
    with evaluating(trainable):
        loss = trainable(batch)["siglip"]
        features = trainable.model(batch, ("image.pooled", "text.pooled"))
        images, texts = objective.image_head(features["image.pooled"]), objective.text_head(features["text.pooled"])
        total = 0.0
        for i, x in enumerate(images):
            for j, y in enumerate(texts):
                z = 1 if i == j else -1
                similarity = torch.dot(x / x.norm(), y / y.norm())
                total += torch.log(1 / (1 + torch.exp(z * (-10.0 * similarity + 2.0))))
    torch.testing.assert_close(loss, -total / 5)


def test_what_it_refuses_stands_where_it_was_written():
    from medvl.testkit.workbench import Workbench

    with pytest.raises(medvl.ConfigError, match=r"testkit stages.stage.objective: temperature must be above 0"):
        Workbench.of(Plugins([SOURCE / "siglip.py"]), {"name": "siglip", "temperature": -1.0}, {})
