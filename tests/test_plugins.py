import sys

import pytest

from medvl.errors import DuplicateName, PluginBroken, PluginMissing, UnknownName
from medvl.plugins import Plugins

GOOD = '''
import medvl

@medvl.hookimpl
def medvl_register(registry):
    registry.register_loss("extra_loss", "outside_lazy:Loss")

    @registry.register_mask("extra_mask")
    def scheme(layout):
        """A scheme."""
'''
BROKEN = """
import medvl

@medvl.hookimpl
def medvl_register(registry):
    registry.register_objective("wonder", "outside_lazy:Wonder")

raise RuntimeError("the moon was in the way")
"""


def infos_of(plugins):
    return {name: info for name, info in plugins.infos.items()}


def test_an_installed_plugin_is_found_and_named(install_plugin):
    install_plugin("extra", GOOD)
    plugins = Plugins(required=["extra"])
    assert plugins.get("loss", "extra_loss").plugin == "extra"
    assert plugins.get("mask", "extra_mask").summary == "A scheme."
    info = plugins.infos["extra"]
    assert (info.version, info.origin, info.error) == ("0.3", "outside_extra", "")
    assert info.seconds > 0


def test_the_papers_are_plugins_like_any_other():
    plugins = Plugins(required=["mmbt", "moco_cxr"])
    assert plugins.get("fusion", "mmbt").plugin == "mmbt"
    assert plugins.get("objective", "moco").plugin == "moco_cxr"
    assert not plugins.broken()


def test_a_broken_plugin_costs_itself_and_nothing_else(install_plugin):
    install_plugin("broken", BROKEN)
    install_plugin("extra", GOOD)
    plugins = Plugins()
    assert [info.name for info in plugins.broken()] == ["broken"]
    assert plugins.get("loss", "extra_loss")
    assert plugins.get("fusion", "mmbt")


def test_asking_a_broken_plugin_for_its_name_shows_its_traceback(install_plugin):
    module = install_plugin("broken", BROKEN)
    plugins = Plugins()
    with pytest.raises(PluginBroken) as caught:
        plugins.get("objective", "wonder")
    for word in ("objective 'wonder'", "plugin 'broken'", str(module), "the moon was in the way"):
        assert word in str(caught.value)
    with pytest.raises(PluginBroken, match=r"the moon was in the way"):
        Plugins(required=["broken"])
    with pytest.raises(UnknownName):  # a name that is nobody's
        plugins.get("objective", "wonders")


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("def medvl_register(registry): ...", "implements no hook"),
        ("import medvl\n@medvl.hookimpl\ndef medvl_registr(registry): ...", "medvl_registr"),
        ("import medvl\n@medvl.hookimpl\ndef medvl_register(registry, more): ...", "more"),
        ("import medvl\n@medvl.hookimpl\ndef medvl_register(registry): registry.register_loss()", "TypeError"),
        (
            "import medvl\n@medvl.hookimpl\ndef medvl_register(registry): registry.register_los('a', dict)",
            "register_los",
        ),
        ("def (", "SyntaxError"),
    ],
)
def test_every_way_to_be_broken_is_isolated(install_plugin, source, word):
    install_plugin("broken", source)
    install_plugin("extra", GOOD)
    plugins = Plugins()
    assert word in plugins.infos["broken"].error
    assert plugins.get("loss", "extra_loss")


def test_a_broken_package_around_the_hook_is_isolated(install_plugin, tmp_path):
    install_plugin("broken", "")
    package = tmp_path / "site" / "outside_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise LookupError('package')")
    (package / "hook.py").write_text(GOOD)
    (tmp_path / "site" / "outside_broken-0.3.dist-info" / "entry_points.txt").write_text(
        "[medvl]\nbroken = outside_package.hook\n"
    )
    assert "LookupError: package" in Plugins().infos["broken"].error


def test_a_name_that_is_taken_names_both_plugins(install_plugin):
    install_plugin("extra", GOOD)
    install_plugin("second", GOOD.replace("extra_mask", "own_mask"))
    plugins = Plugins()
    for name in ("extra", "second"):
        assert f"'{name}'" in plugins.infos["second"].error
    assert "Traceback" not in plugins.infos["second"].error
    with pytest.raises(DuplicateName, match=r"plugin 'extra' .* plugin 'second'"):
        plugins.get("loss", "extra_loss")
    with pytest.raises(PluginBroken, match=r"plugin 'extra' .* plugin 'second'"):  # its other name is not there either
        plugins.get("mask", "own_mask")
    assert plugins.get("mask", "extra_mask").plugin == "extra"


def test_a_plugin_cannot_take_a_name_of_the_core(install_plugin):
    install_plugin("greedy", GOOD.replace("extra_loss", "bce"))
    assert "plugin 'medvl' and again by plugin 'greedy'" in Plugins().infos["greedy"].error


def test_switching_a_taken_name_off_helps(install_plugin, monkeypatch):
    install_plugin("extra", GOOD)
    install_plugin("second", GOOD)
    monkeypatch.setenv("MEDVL_DISABLE", "extra")
    assert Plugins().get("loss", "extra_loss").plugin == "second"


def test_a_plugin_that_is_not_installed_gives_the_pip_line():
    with pytest.raises(PluginMissing) as caught:
        Plugins(required=["moco_cxrr"])
    for word in (
        "plugin 'moco_cxrr' is not installed",
        "did you mean 'moco_cxr'?",
        "mmbt",
        "pip install medvl-moco-cxrr",
    ):
        assert word in str(caught.value)


def test_a_plugin_that_is_switched_off(monkeypatch):
    monkeypatch.setenv("MEDVL_DISABLE", "mmbt, other")
    plugins = Plugins()
    assert plugins.infos["mmbt"].disabled
    assert plugins.registry.find("mmbt") == []
    with pytest.raises(PluginMissing, match=r"fusion 'mmbt' belongs to plugin 'mmbt'.* MEDVL_DISABLE"):
        plugins.get("fusion", "mmbt")
    with pytest.raises(PluginMissing, match=r"switched off by MEDVL_DISABLE"):
        Plugins(required=["mmbt"])


def test_a_plugin_that_is_switched_off_is_not_imported(install_plugin, monkeypatch):
    install_plugin("broken", BROKEN)
    monkeypatch.setenv("MEDVL_DISABLE", "broken")
    assert not Plugins().broken()
    assert "outside_broken" not in sys.modules


def test_a_file_is_a_plugin(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    plugins = Plugins([file, str(file)])  # asked for twice, loaded once
    assert plugins.get("loss", "extra_loss").plugin == "mine"
    assert plugins.infos["mine"].origin == str(file)
    assert "mine" not in sys.modules  # it shadows no module of that name


def test_a_file_may_be_called_like_a_module(tmp_path):
    file = tmp_path / "json.py"
    file.write_text(GOOD)
    Plugins([file])
    import json

    assert json.loads("1") == 1


def test_files_that_are_missing_broken_or_taken(tmp_path):
    with pytest.raises(PluginMissing, match=r"plugin file '.*gone.py' does not exist"):
        Plugins([tmp_path / "gone.py"])
    (tmp_path / "bad.py").write_text(BROKEN)
    with pytest.raises(PluginBroken, match=r"(?s)plugin file '.*bad.py' is broken.*moon"):
        Plugins([tmp_path / "bad.py"])
    (tmp_path / "greedy.py").write_text(GOOD.replace("extra_loss", "bce"))
    with pytest.raises(DuplicateName, match=r"'medvl' and again by plugin 'greedy'"):
        Plugins([tmp_path / "greedy.py"])
    for name in ("mmbt", "medvl"):
        (tmp_path / f"{name}.py").write_text(GOOD)
        with pytest.raises(DuplicateName, match=r"rename the file"):
            Plugins([tmp_path / f"{name}.py"])


def test_a_file_may_stand_in_for_the_installed_plugin_that_it_was_packaged_as(tmp_path, install_plugin, monkeypatch):
    install_plugin("mine", GOOD)
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    monkeypatch.setenv("MEDVL_DISABLE", "mine")
    assert Plugins([file]).infos["mine"].origin == str(file)
