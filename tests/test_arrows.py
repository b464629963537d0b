"""Who may import whom, read from the source: arrows point one way, plugins see public names, listing stays light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import medvl

ROOT = Path(__file__).parents[1]
CORE = ROOT / "medvl"
PLUGINS = sorted(path for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())
PUBLIC = {"medvl", "medvl.losses", "medvl.testkit"}

# a layer imports from those above it and from itself
LAYERS = (
    {"medvl.errors", "medvl.contract", "medvl.files"},
    {"medvl.lock"},
    {"medvl.registry"},
    {"medvl.hookspecs"},
    {"medvl.builtins", "medvl.plugins"},
    {"medvl.config.schema"},
    {"medvl.data"},
    {"medvl.datasets"},
    {"medvl.labelers"},
    {"medvl.config"},
    {"medvl.losses"},
    {"medvl.models"},
    {"medvl.objectives", "medvl.evaluate"},
    {"medvl.runs"},
    {"medvl.engine"},
    {"medvl.tables", "medvl.explain"},
    {"medvl.testkit", "medvl.cli"},
    {"medvl.__main__"},
)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in CORE.rglob("*.py")}


def imports_of(path: Path, for_types: bool) -> set[str]:
    """Modules that a file imports, inside functions too; `from package import module` counts as the module.

    Args:
        path: a Python file.
        for_types: with what stands under `if TYPE_CHECKING:`, which never runs.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = below & set(MODULES)
            found |= modules if len(modules) == len(below) else {node.module, *modules}
        waiting += ast.iter_child_nodes(node)
    return found


def layer_of(module: str) -> int:
    """The most particular layer that a module belongs to."""
    matches = [
        (len(name), number)
        for number, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert matches, f"{module} belongs to no layer: add it to LAYERS"
    return max(matches)[1]


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"medvl"}))
def test_arrows_point_one_way(module):
    mine = layer_of(module)
    ours = {name for name in imports_of(MODULES[module], for_types=True) if name.startswith("medvl.")}
    wrong = {name for name in ours if layer_of(name) > mine}
    assert not wrong, f"{module} imports from layers that stand on it: {sorted(wrong)}"


def test_there_is_no_circle():
    arrows = {
        module: imports_of(path, for_types=False) & set(MODULES) - {module, "medvl"} for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for target in sorted(arrows[module]):
                visit(target, (*way, module))
            done.add(module)

    for module in sorted(arrows):
        visit(module, ())


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_plugins_import_public_names_alone_and_never_each_other(folder):
    for path in folder.rglob("*.py"):
        ours = {name for name in imports_of(path, for_types=True) if name.partition(".")[0].startswith("medvl")}
        own = {name for name in ours if name.partition(".")[0] == f"medvl_{folder.name}"}
        assert ours - own <= PUBLIC, f"{path.relative_to(ROOT)} imports {sorted(ours - own - PUBLIC)}"
        named = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert "plugins" not in {str(name).partition(".")[0] for name in named}


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_plugins_use_names_that_are_public(folder):
    import medvl.losses

    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "medvl":
                assert node.attr in (*medvl.__all__, "losses"), f"{path.name}:{node.lineno} medvl.{node.attr}"
            if isinstance(node, ast.ImportFrom) and node.module == "medvl.losses":
                assert {alias.name for alias in node.names} <= set(medvl.losses.__all__), path.name


def test_nothing_in_the_core_imports_a_plugin():
    for module, path in MODULES.items():
        strange = {name for name in imports_of(path, for_types=True) if name.partition(".")[0].startswith("medvl_")}
        assert not strange, f"{module} imports {strange}"


@pytest.mark.parametrize("name", sorted(medvl._PUBLIC))
def test_public_names_are_where_they_are_said_to_be(name):
    assert getattr(medvl, name) is getattr(importlib.import_module(medvl._PUBLIC[name]), name)


def test_type_checkers_see_every_public_name():
    block = next(n for n in ast.parse((CORE / "__init__.py").read_text()).body if isinstance(n, ast.If))
    seen = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == medvl._PUBLIC


def test_an_unknown_public_name_says_what_is_known():
    with pytest.raises(AttributeError, match=r"no public name 'Objektive'.*Objective"):
        _ = medvl.Objektive
    assert set(dir(medvl)) == set(medvl.__all__)


HEAVY = ("torch", "numpy", "omegaconf", "timm", "transformers", "pyarrow", "lightning_fabric", "rich", "matplotlib")


@pytest.mark.parametrize(
    "code",
    [
        "import medvl",
        "from medvl import hookimpl, Registry, MedvlError",
        "from medvl.plugins import Plugins; Plugins()",
        "from medvl.cli.main import main",
    ],
)
def test_light_doors_stay_light(code):
    code = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
