"""Every verb as a user meets it: what it prints, where, and how it ends."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from medvl.cli.main import VERBS, app, main
from medvl.plugins import Plugins
from tests.config.experiments import TWO_STAGES, changed, write

HEAVY = ("torch", "numpy", "omegaconf", "timm", "transformers", "pyarrow", "lightning_fabric", "rich", "matplotlib")


def medvl(*arguments: object, code: int = 0) -> str:
    """What a verb prints on standard output, in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def typed(capsys: pytest.CaptureFixture[str], *arguments: object, code: int) -> tuple[str, str]:
    """What `medvl ...` prints on standard output and on standard error."""
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    assert done.value.code == code
    return capsys.readouterr()


@pytest.fixture
def file(tmp_path):
    return write(tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_is_there_and_has_help(verb):
    command = importlib.import_module(f"medvl.cli.{verb}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert "Usage" in medvl(verb, "--help")


def test_every_verbs_file_is_in_the_table():
    folder = Path(inspect.getfile(importlib.import_module("medvl.cli"))).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "main", "options", "lazy"}
    groups = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert files | groups == set(VERBS)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["list", "fusion"], ["run", "--help"]])
def test_looking_around_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom medvl.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as done:\n    assert not done.code\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "heavy:"


def test_help_lists_all_verbs():
    output = medvl("--help")
    assert all(verb in output for verb in VERBS)


def test_an_unknown_verb_is_a_usage_error():
    assert "runn" in medvl("runn", code=2)


def test_list_shows_names_plugins_and_first_sentences():
    output = medvl("list")
    for words in (
        "objective",
        "moco",
        "moco_cxr",
        "mmbt",
        "phantom",
        "Classifies each case into",
    ):
        assert words in output
    assert medvl("list", "fusions") == medvl("list", "fusion")
    assert "moco" not in medvl("list", "fusion")


def test_list_goes_on_beside_a_broken_plugin(install_plugin):
    install_plugin("broken", "raise RuntimeError('the moon')")
    result = CliRunner().invoke(app, ["list"])
    assert "mmbt" in result.stdout
    assert "plugin 'broken' is broken; `medvl plugins` shows why" in result.stderr


def test_plugins_shows_versions_times_and_tracebacks(install_plugin, monkeypatch):
    install_plugin("broken", "raise RuntimeError('the moon')")
    monkeypatch.setenv("MEDVL_DISABLE", "mmbt")
    output = medvl("plugins")
    lines = {line.split()[0]: line for line in output.splitlines() if line and not line.startswith((" ", "T"))}
    assert "ms" in lines["moco_cxr"]
    assert "objective moco" in lines["moco_cxr"]
    assert "off (MEDVL_DISABLE)" in lines["mmbt"]
    assert "broken" in lines["broken"]
    assert "0.3" in lines["broken"]
    assert "Traceback" in output
    assert "the moon" in output


def test_describe_says_all_of_a_component():
    output = medvl("describe", "mmbt")
    for words in (
        "fusion mmbt", "plugin mmbt", "fusion.py:", "preset", "one of paper, released; default paper",
        "image_tokens  int or none; default none", "needs", "image.tokens, text.ids", "joint", "Kiela",
        "beside its parameters: init, lr_scale, frozen",
    ):  # fmt: skip
        assert words in output


@pytest.mark.parametrize(
    ("section", "said"),
    [("data", "only  "), ("budget", "sort_window  "), ("stop", "metric  "), ("protocol", "| `lp_ft` ")],
)
def test_the_sections_of_a_stage_are_described(section, said):
    output = medvl("describe", section)
    assert f"section {section}" in output and said in output


def test_describe_a_name_of_several_kinds():
    both = medvl("describe", "multilabel")
    assert "objective multilabel" in both
    assert "evaluator multilabel" in both
    assert "objective multilabel" not in medvl("describe", "evaluator", "multilabel")


@pytest.mark.parametrize(("kind", "name"), [(entry.kind, entry.name) for entry in Plugins().registry])
def test_everything_registered_can_be_described(kind, name):
    said = medvl("describe", kind, name)
    assert f"{kind} {name}" in said and " at 0x" not in said


def test_show_prints_yaml_that_resolves_to_itself(file, tmp_path):
    shown = medvl("show", file)
    again = write(tmp_path, shown, "again.yaml")
    assert medvl("show", again) == shown
    assert yaml.safe_load(shown)["stages"]["finetune"]["model"]["fusion"]["preset"] == "released"


def test_show_why(file):
    output = medvl("show", file, "finetune.optim.lr=2", "--why", "finetune.optim.lr")
    assert "set 2 at command line 'finetune.optim.lr=2'" in output
    assert "was 0.001 at" in output


def test_check_says_what_will_be_built(file):
    output = medvl("check", file)
    assert "pretrain: moco on image timm" in output
    assert "finetune: multilabel on image timm + text bert + fusion mmbt" in output
    assert "joint.cls: width 32" in output
    assert output.endswith("ok\n")


def test_fits_lists_what_can_go_in(file):
    fusions = ("attentive", "concat", "image_only", "language_model", "medvill", "mmbt", "text_only", "tienet")
    assert medvl("fits", "fusion", file).splitlines() == [f"{name}: fits" for name in fusions]
    assert medvl("fits", "image", file, "--stage", "pretrain") == "timm: fits\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "fusionn"], "error: unknown kind 'fusionn'. did you mean 'fusion'?"),
        (["describe", "mmbtt"], "error: unknown component 'mmbtt'. did you mean 'mmbt'?"),
        (["describe", "fusion", "moco"], "error: unknown fusion 'moco'"),
        (["check", "gone.yaml"], "error: gone.yaml: no such file. YAML files there: x.yaml"),
        (["check", "x.yaml", "sed=1"], "unknown key 'sed'. did you mean 'seed'?"),
        (["check", "x.yaml", "--plugin", "gone.py"], "gone.py' does not exist"),
        (["check", "x.yaml", "plugins=[slipp]"], "plugin 'slipp' is not installed"),
        (["run", "x.yaml", "finetune.fusion=mbmt"], "stages.finetune.model.fusion.name: unknown fusion 'mbmt'"),
        (["show", "x.yaml", "--why", "sed"], "error: --why sed: no such key. did you mean 'seed'?"),
        (
            ["fits", "fusion", "x.yaml", "--stage", "finetun"],
            "--stage: unknown stage 'finetun'. did you mean 'finetune'?",
        ),
        (["predict", "gone", "image.png"], "error: 'gone' holds no finished stage"),
    ],
)
def test_errors_go_to_standard_error_without_a_traceback(file, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(file.parent)
    out, err = typed(capsys, *arguments, code=1)
    assert words in err
    assert "Traceback" not in err
    assert not out


@pytest.mark.parametrize("arguments", [["check"], ["fits", "fusio", "x.yaml"], ["predict", "runs/x"], ["describe"]])
def test_wrong_usage_ends_with_2(arguments):
    medvl(*arguments, code=2)


def test_all_problems_are_printed_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, changed(("queue_size: 16", "queue_sise: 16"), ("lr: 1e-3", "lr: fast")))
    head, first, second = typed(capsys, "check", "x.yaml", code=1)[1].splitlines()
    assert head == "error: 2 problems:"
    assert first.startswith("x.yaml:10 stages.pretrain.objective.queue_sise: ")
    assert second.startswith("x.yaml:23 stages.finetune.optim.lr: expected float")


def test_a_defect_of_a_plugin_comes_through_as_it_is(file, tmp_path):
    source = (
        "import medvl\nclass Bad(medvl.Objective):\n    '''Bad.'''\n    def __init__(self, model):\n        1 / 0\n"
        "@medvl.hookimpl\ndef medvl_register(registry):\n    registry.register_objective('bad', Bad)\n"
    )
    (tmp_path / "bad.py").write_text(source)
    with pytest.raises(ZeroDivisionError) as caught:
        medvl("check", file, "pretrain.objective=bad", "--plugin", tmp_path / "bad.py")
    assert caught.traceback[-1].path == tmp_path / "bad.py"
    assert "while building objective 'bad' of plugin 'bad' (command line" in caught.value.__notes__[0]


SHORT = TWO_STAGES[: TWO_STAGES.index("  finetune:")].replace("epochs: 1", "steps: 1")


def test_run_tells_where_everything_lies_and_has_nothing_to_do_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, SHORT)
    first = medvl("run", path, "runs=made")
    assert "where everything lies:" in first
    folder = next((tmp_path / "made" / "two").glob("pretrain-*"))
    assert f"pretrain: made/two/{folder.name}" in first
    assert json.loads((folder / "manifest.json").read_text())["status"] == "complete"
    assert "pretrain: finished before, nothing to do" in medvl("run", path, "runs=made")
