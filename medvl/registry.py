"""Names for components: one `register_*` method per kind, in MMF's vocabulary.

A registry is an ordinary object that is handed to each plugin's hook. A target is a class, a function,
or a lazy `"package.module:attribute"` that is imported on first use, so that listing names is free.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from medvl.errors import DuplicateName, MedvlError, PackageMissing, PluginBroken, UnknownName, unknown

KINDS = (
    "dataset", "view", "encoder", "fusion", "decoder", "loss", "mask", "objective", "evaluator", "labeler",
    "optimizer", "schedule",
)  # fmt: skip

# what is imported -> the extra of medvl that installs it
EXTRAS = {
    "tensorboard": "tensorboard", "gdcm": "dicom", "pylibjpeg": "dicom", "openjpeg": "dicom", "jpeg_ls": "dicom",
    "spacy": "labeler", "negspacy": "labeler", "pycocoevalcap": "generation", "nltk": "generation",
    "captum": "grounding",
}  # fmt: skip

Target = Callable[..., Any]


@dataclass(frozen=True)
class Entry:
    """One registered component: its kind, its name, the plugin that named it, and where it stands."""

    kind: str
    name: str
    target: Target | str
    plugin: str

    def load(self) -> Target:
        """The class or function itself.

        Raises:
            PluginBroken: its module raised at import, or has no such attribute (with the traceback).
            PackageMissing: its module imports a package that is not installed.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except MedvlError:
            raise
        except ModuleNotFoundError as error:
            absent = (error.name or "").partition(".")[0]
            if absent and absent not in ("medvl", module.partition(".")[0]):
                raise _missing(absent, f"{self.kind} '{self.name}' of plugin '{self.plugin}'") from error
            raise self._broken() from error
        except Exception as error:
            raise self._broken() from error

    def _broken(self) -> PluginBroken:
        return PluginBroken(
            f"{self.kind} '{self.name}' cannot be loaded: plugin '{self.plugin}' is broken.\n{traceback.format_exc()}"
        )

    @cached_property
    def _static(self) -> tuple[str, str]:
        """(place, docstring), read from the source as text where the target is lazy: nothing is imported."""
        if isinstance(self.target, str):
            module, _, attribute = self.target.partition(":")
            path, definitions = _definitions(module)
            line, doc = definitions.get(attribute, (1, ""))
            return f"{path}:{line}", doc
        try:
            path = inspect.getsourcefile(self.target) or "?"
            line = inspect.getsourcelines(self.target)[1]
        except (OSError, TypeError):
            return "?", inspect.getdoc(self.target) or ""
        return f"{path}:{line}", inspect.getdoc(self.target) or ""

    @property
    def place(self) -> str:
        """`file:line` of the definition."""
        return self._static[0]

    @property
    def doc(self) -> str:
        """The component's docstring."""
        return self._static[1]

    @property
    def summary(self) -> str:
        """The docstring's first sentence, on one line."""
        first = self.doc.strip().split("\n\n")[0]
        return " ".join(first.split())


def needs_package(package: str, who: str) -> None:
    """For what a component needs under some of its parameters alone; nothing is imported.

    Args:
        package: what is imported.
        who: asks for it, e.g. "evaluator 'generation'".

    Raises:
        PackageMissing: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise _missing(package, who)


def _missing(package: str, who: str) -> PackageMissing:
    what = f"'medvl[{EXTRAS[package]}]'" if package in EXTRAS else package
    return PackageMissing(f"{who} needs the package '{package}', which is not installed. do: pip install {what}")


@cache
def _definitions(module: str) -> tuple[str, dict[str, tuple[int, str]]]:
    """Top-level classes and functions of a module's source: name -> (line, docstring)."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.origin or not spec.origin.endswith(".py"):
            return module, {}
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except Exception:  # finding it runs a plugin's package; `load` tells what is wrong, listing names goes on
        return module, {}
    named = (ast.ClassDef, ast.FunctionDef)
    found = {node.name: (node.lineno, ast.get_docstring(node) or "") for node in tree.body if isinstance(node, named)}
    return spec.origin, found


class Registry:
    """Components of every kind by name. `registry.register_fusion("mmbt", "medvl_mmbt.fusion:MMBT")`.

    Each `register_*` takes a name and a target; without a target it is a decorator.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._contested: dict[tuple[str, str], str] = {}
        self.plugin = "medvl"  # whose hook is being called now

    def register_dataset(self, name: str, target: Target | str | None = None) -> Any:
        """A source of studies (`medvl.Dataset`)."""
        return self._register("dataset", name, target)

    def register_view(self, name: str, target: Target | str | None = None) -> Any:
        """A recipe that turns stored radiographs into what a model sees (`medvl.View`)."""
        return self._register("view", name, target)

    def register_encoder(self, name: str, target: Target | str | None = None) -> Any:
        """An image or text encoder (`medvl.ImageEncoder`, `medvl.TextEncoder`)."""
        return self._register("encoder", name, target)

    def register_fusion(self, name: str, target: Target | str | None = None) -> Any:
        """A model that joins image and text (`medvl.Fusion`)."""
        return self._register("fusion", name, target)

    def register_decoder(self, name: str, target: Target | str | None = None) -> Any:
        """What makes one map of an image encoder's features, for objectives that tell every pixel (`medvl.Decoder`)."""
        return self._register("decoder", name, target)

    def register_loss(self, name: str, target: Target | str | None = None) -> Any:
        """A loss module with keyword parameters."""
        return self._register("loss", name, target)

    def register_mask(self, name: str, target: Target | str | None = None) -> Any:
        """An attention-mask scheme: a pure function of a `medvl.Layout` that returns booleans."""
        return self._register("mask", name, target)

    def register_objective(self, name: str, target: Target | str | None = None) -> Any:
        """What a stage optimises (`medvl.Objective`)."""
        return self._register("objective", name, target)

    def register_evaluator(self, name: str, target: Target | str | None = None) -> Any:
        """Metrics over a split's predictions (`medvl.Evaluator`)."""
        return self._register("evaluator", name, target)

    def register_labeler(self, name: str, target: Target | str | None = None) -> Any:
        """What reads findings from the text of reports (`medvl.Labeler`)."""
        return self._register("labeler", name, target)

    def register_optimizer(self, name: str, target: Target | str | None = None) -> Any:
        """A function `(parameters, *, ..., schedule) -> medvl.engine.optimizers.Optimization`."""
        return self._register("optimizer", name, target)

    def register_schedule(self, name: str, target: Target | str | None = None) -> Any:
        """A function `(horizon, *, ...) -> (step -> factor of the learning rate)`."""
        return self._register("schedule", name, target)

    def _register(self, kind: str, name: str, target: Target | str | None) -> Any:
        if target is None:
            return lambda decorated: (self._add(kind, name, decorated), decorated)[1]
        return self._add(kind, name, target)

    def _add(self, kind: str, name: str, target: Target | str) -> Any:
        entry = Entry(kind, name, target, self.plugin)
        if name in self._entries[kind]:
            raise DuplicateName(self._claimed_twice(entry))
        self._entries[kind][name] = entry
        return target

    def _claimed_twice(self, entry: Entry) -> str:
        taken = self._entries[entry.kind][entry.name]
        if taken.plugin == entry.plugin:
            return f"plugin '{entry.plugin}' registers {entry.kind} '{entry.name}' twice. rename one of them"
        return (
            f"{entry.kind} '{entry.name}' is registered by plugin '{taken.plugin}' and again by plugin "
            f"'{entry.plugin}'. rename one, or switch one off: MEDVL_DISABLE={entry.plugin}"
        )

    def merge(self, other: Registry) -> None:
        """Take over all names of `other`, or none of them.

        Raises:
            DuplicateName: a name is taken already; asking for it from then on raises this error again.
        """
        for entry in other:
            if entry.name in self._entries[entry.kind]:
                message = self._contested[entry.kind, entry.name] = self._claimed_twice(entry)
                raise DuplicateName(message)
        for entry in other:
            self._entries[entry.kind][entry.name] = entry

    def __iter__(self) -> Iterator[Entry]:
        for names in self._entries.values():
            yield from names.values()

    def names(self, kind: str) -> list[str]:
        """The registered names of a kind, sorted."""
        return sorted(self._entries[kind])

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a name.

        Raises:
            DuplicateName: two plugins claim it.
            UnknownName: no plugin registers it; the message gives the nearest name and the list.
        """
        if (kind, name) in self._contested:
            raise DuplicateName(self._contested[kind, name])
        if name in self._entries[kind]:
            return self._entries[kind][name]
        elsewhere = [other for other in KINDS if name in self._entries[other]]
        hint = f". '{name}' is the name of a registered {elsewhere[0]}" if elsewhere else ""
        raise UnknownName(unknown(kind, name, self._entries[kind]) + hint)

    def find(self, name: str) -> list[Entry]:
        """Entries of this name in any kind."""
        return [names[name] for names in self._entries.values() if name in names]
