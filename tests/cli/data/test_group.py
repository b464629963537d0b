"""The verbs as a group: listed lightly, one file each."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import medvl
from medvl.cli.data import VERBS
from medvl.cli.main import app
from tests.cli.data.conftest import PLUGIN
from tests.cli.test_verbs import HEAVY


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_is_there_and_has_help(verb):
    command = importlib.import_module(f"medvl.cli.data.{verb}").command
    assert isinstance(command, click.Command) and command.help
    assert "Usage" in CliRunner().invoke(app, ["data", verb, "--help"]).output


def test_every_verbs_file_is_in_the_table():
    folder = Path(inspect.getfile(importlib.import_module("medvl.cli.data"))).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "targets"} == set(VERBS)


def imported(watched, *commands):
    """Which of the watched packages a process imports that runs these commands."""
    code = (
        "import sys\nfrom medvl.cli.main import main\n"
        f"for arguments in {commands!r}:\n"
        "    try:\n        main(list(arguments))\n"
        "    except SystemExit as done:\n        assert not done.code, arguments\n"
        f"print('found:', *[name for name in {watched!r} if name in sys.modules])"
    )
    here = Path(medvl.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].removeprefix("found:").split()


def test_looking_around_imports_nothing_heavy():
    assert imported(HEAVY, ("data", "--help"), ("data", "stats", "--help"), ("data", "prepare", "--help")) == []


def test_no_verb_on_a_dataset_imports_torch(root):
    dataset = ("ward", f"root={root}", "--plugin", PLUGIN)
    commands = [("data", verb, *dataset) for verb in ("doctor", "verify")]
    commands.append(("data", "stats", *dataset, "--out", str(root.parent / "out")))
    assert imported(("torch",), ("data", "prepare", *dataset, "--size", "16"), *commands) == []
