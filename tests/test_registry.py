import inspect
import sys

import pytest

from medvl.errors import DuplicateName, PackageMissing, PluginBroken, UnknownName
from medvl.registry import KINDS, Entry, Registry


class Thing:
    """Does a thing.

    More about it.
    """


def register(registry: Registry, kind: str, *arguments):
    return getattr(registry, f"register_{kind}")(*arguments)


def test_every_kind_has_its_method_with_a_docstring():
    methods = {name.removeprefix("register_") for name in dir(Registry) if name.startswith("register_")}
    assert methods == set(KINDS)
    assert all(inspect.getdoc(getattr(Registry, f"register_{kind}")) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_is_registered_as_it_is(kind):
    registry = Registry()
    assert register(registry, kind, "thing", Thing) is Thing
    entry = registry.get(kind, "thing")
    assert (entry.kind, entry.name, entry.plugin, entry.load()) == (kind, "thing", "medvl", Thing)
    assert registry.names(kind) == ["thing"]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_target_it_decorates(kind):
    registry = Registry()

    @register(registry, kind, "thing")
    class Decorated:
        """Documented."""

    assert registry.get(kind, "thing").load() is Decorated


@pytest.mark.parametrize("kind", KINDS)
def test_a_lazy_target_is_imported_on_first_use(kind, tmp_path, monkeypatch):
    (tmp_path / f"lazy_{kind}.py").write_text('class Late:\n    """Comes late.\n\n    Much later.\n    """\n')
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    register(registry, kind, "late", f"lazy_{kind}:Late")
    entry = registry.get(kind, "late")
    assert entry.summary == "Comes late."
    assert entry.place == f"{tmp_path / f'lazy_{kind}.py'}:1"
    assert f"lazy_{kind}" not in sys.modules  # describing it imported nothing
    assert entry.load().__name__ == "Late"


def test_places_and_summaries_of_targets_that_are_there():
    entry = Entry("loss", "thing", Thing, "medvl")
    assert entry.summary == "Does a thing."
    assert entry.place == f"{__file__}:{inspect.getsourcelines(Thing)[1]}"


def test_a_name_twice_in_one_plugin():
    registry = Registry()
    registry.plugin = "mine"
    registry.register_loss("thing", Thing)
    with pytest.raises(DuplicateName, match=r"plugin 'mine' registers loss 'thing' twice"):
        registry.register_loss("thing", dict)
    registry.register_mask("thing", dict)  # another kind is another name


def test_a_name_of_two_plugins_names_both_and_takes_none_of_the_second():
    first, second, whole = Registry(), Registry(), Registry()
    first.plugin, second.plugin = "one", "two"
    first.register_loss("thing", Thing)
    second.register_loss("other", Thing)
    second.register_loss("thing", dict)
    whole.merge(first)
    with pytest.raises(DuplicateName, match=r"loss 'thing' .* plugin 'one' .* plugin 'two'.*MEDVL_DISABLE=two"):
        whole.merge(second)
    assert whole.names("loss") == ["thing"]
    with pytest.raises(DuplicateName, match=r"plugin 'one' .* plugin 'two'"):  # whichever was meant, it is not guessed
        whole.get("loss", "thing")


def test_unknown_names_come_with_the_nearest_and_the_list():
    registry = Registry()
    registry.register_fusion("concat", Thing)
    registry.register_fusion("mmbt", Thing)
    with pytest.raises(UnknownName, match=r"^unknown fusion 'mmbtt'. did you mean 'mmbt'. known: concat, mmbt$"):
        registry.get("fusion", "mmbtt")
    with pytest.raises(UnknownName, match=r"^unknown loss 'x'. known: none$"):
        registry.get("loss", "x")


def test_a_name_of_another_kind_says_so():
    registry = Registry()
    registry.register_objective("moco", Thing)
    with pytest.raises(UnknownName, match=r"'moco' is the name of a registered objective"):
        registry.get("fusion", "moco")


def test_find_looks_in_every_kind():
    registry = Registry()
    registry.register_objective("multilabel", Thing)
    registry.register_evaluator("multilabel", dict)
    assert {entry.kind for entry in registry.find("multilabel")} == {"objective", "evaluator"}
    assert registry.find("nothing") == []


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("raise RuntimeError('no luck')", PluginBroken, ["plugin 'mine' is broken", "no luck", "target_module.py"]),
        ("def (", PluginBroken, ["SyntaxError"]),
        ("other = 1", PluginBroken, ["has no attribute 'Late'"]),
        ("import target_module.gone", PluginBroken, ["plugin 'mine' is broken"]),
        ("import not_there_at_all.part", PackageMissing, ["'not_there_at_all'", "pip install not_there_at_all"]),
        ("import gdcm_is_absent\n", PackageMissing, ["pip install 'medvl[dicom]'"]),
    ],
)
def test_what_a_module_that_cannot_be_loaded_says(source, error, words, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("medvl.registry").registry.EXTRAS, "gdcm_is_absent", "dicom")
    (tmp_path / "target_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry("loss", "late", "target_module:Late", "mine")
    assert entry.summary == ""  # listing goes on
    with pytest.raises(error) as caught:
        entry.load()
    for word in (*words, "loss 'late'"):
        assert word in str(caught.value)
    sys.modules.pop("target_module", None)
    __import__("medvl.registry").registry._definitions.cache_clear()


def test_extras_that_errors_name_are_extras_of_medvl():
    from importlib.metadata import metadata

    from medvl.registry import EXTRAS

    declared = metadata("medvl").get_all("Provides-Extra")
    assert declared is None or set(EXTRAS.values()) <= set(declared)
