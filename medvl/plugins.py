"""Finding and loading plugins, one at a time, so that a broken one costs itself and nothing else."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from medvl import hookspecs
from medvl.errors import DuplicateName, MedvlError, PluginBroken, PluginMissing, UnknownName, nearest
from medvl.registry import Entry, Registry

DISABLE_VARIABLE = "MEDVL_DISABLE"


@dataclass
class PluginInfo:
    """What `medvl plugins` shows of one plugin."""

    name: str
    origin: str  # the entry point's value, or a file
    version: str = ""
    seconds: float = 0.0
    error: str = ""  # traceback of a broken plugin
    disabled: bool = False
    claimed: frozenset[str] = field(default=frozenset())  # names seen in the source of a broken plugin


class Plugins:
    """The loaded plugins and the registry they filled.

    Args:
        files: one-file plugins (paths of `.py` files), loaded through the same hook and checks.
        required: names of plugins that must be present and whole.

    Raises:
        PluginMissing: a required plugin is not installed or is disabled, or a file does not exist.
        PluginBroken: a required plugin or a file raised.
        DuplicateName: a file registers a name that is taken.
    """

    def __init__(self, files: Iterable[str | Path] = (), required: Iterable[str] = ()) -> None:
        self.registry = Registry()
        self.infos: dict[str, PluginInfo] = {}
        self._manager = pluggy.PluginManager("medvl")
        self._manager.add_hookspecs(hookspecs)
        self._load_core()
        disabled = {name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()}
        for point in sorted(importlib.metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP), key=lambda p: p.name):
            self._load_entry_point(point, point.name in disabled)
        for file in dict.fromkeys(Path(file).resolve() for file in files):
            self._load_file(file)
        self._require(required)

    def _load_core(self) -> None:
        from medvl import builtins

        self._manager.register(builtins, "medvl")
        builtins.medvl_register(self.registry)

    def _load_entry_point(self, point: importlib.metadata.EntryPoint, disabled: bool) -> None:
        if point.name in self.infos:  # an editable install can list its metadata twice
            return
        version = point.dist.version if point.dist else ""
        info = PluginInfo(point.name, point.value, version, disabled=disabled)
        self.infos[point.name] = info
        if disabled:
            return
        start = time.perf_counter()
        try:
            self._register(point.load(), point.name)
        except (Exception, SystemExit) as error:  # a plugin that ends the interpreter is broken too
            info.error = str(error) if isinstance(error, DuplicateName) else traceback.format_exc()
            info.claimed = _names_in_source(point.value.partition(":")[0])
        info.seconds = time.perf_counter() - start

    def _load_file(self, path: Path) -> None:
        if not path.is_file():
            raise PluginMissing(f"plugin file '{path}' does not exist. give the path of a Python file")
        name = path.stem
        if name == "medvl" or (name in self.infos and not self.infos[name].disabled):
            taken = "the core" if name == "medvl" else f"a plugin from {self.infos[name].origin}"
            raise DuplicateName(
                f"plugin file '{path}' is called '{name}' like {taken}. rename the file, or switch the other off: "
                f"{DISABLE_VARIABLE}={name}"
            )
        info = PluginInfo(name, str(path))
        start = time.perf_counter()
        try:
            self._register(_import_file(path), name)
        except MedvlError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginBroken(f"plugin file '{path}' is broken.\n{traceback.format_exc()}") from error
        info.seconds = time.perf_counter() - start
        self.infos[name] = info

    def _register(self, module: Any, name: str) -> None:
        """Call the plugin's hook on a registry of its own, then take over all its names or none."""
        self._manager.register(module, name)  # refuses a hook with unknown arguments
        try:
            self._manager.check_pending()  # refuses a misspelt hook
            hooks = [impl for impl in self._manager.hook.medvl_register.get_hookimpls() if impl.plugin is module]
            if not hooks:
                raise TypeError(f"plugin '{name}' implements no hook: decorate medvl_register with @medvl.hookimpl")
            own = Registry()
            own.plugin = name
            hooks[0].function(own)
            self.registry.merge(own)
        except BaseException:
            self._manager.unregister(module)
            raise

    def _require(self, required: Iterable[str]) -> None:
        for name in required:
            info = self.infos.get(name)
            if info is None:
                raise PluginMissing(
                    f"plugin '{name}' is not installed.{nearest(name, self.infos)} installed: "
                    f"{', '.join(sorted(self.infos)) or 'none'}. do: pip install medvl-{name.replace('_', '-')}"
                )
            if info.disabled:
                raise PluginMissing(f"plugin '{name}' is switched off by {DISABLE_VARIABLE}. take it out of that list")
            if info.error:
                raise PluginBroken(f"plugin '{name}' ({info.origin}) is broken.\n{info.error}")

    def get(self, kind: str, name: str) -> Entry:
        """The entry of a name; an unknown one is blamed on its broken or disabled plugin where there is one.

        Raises:
            UnknownName, DuplicateName: see `Registry.get`.
            PluginBroken, PluginMissing: the plugin that has this name is broken or switched off.
        """
        try:
            return self.registry.get(kind, name)
        except UnknownName as error:
            for info in self.infos.values():
                if info.error and (name in info.claimed or name == info.name):
                    raise PluginBroken(
                        f"{kind} '{name}' is not available: plugin '{info.name}' ({info.origin}) is broken.\n"
                        f"{info.error}"
                    ) from error
                if info.disabled and name in (_names_in_source(info.origin.partition(":")[0]) | {info.name}):
                    raise PluginMissing(
                        f"{kind} '{name}' belongs to plugin '{info.name}', which is switched off by "
                        f"{DISABLE_VARIABLE}. take it out of that list"
                    ) from error
            raise

    def versions(self) -> dict[str, str]:
        """Name -> version of those that are loaded, `file` for one-file plugins."""
        loaded = [info for info in self.infos.values() if not info.error and not info.disabled]
        return {info.name: info.version or "file" for info in loaded}

    def broken(self) -> Sequence[PluginInfo]:
        """The plugins that did not load."""
        return [info for info in self.infos.values() if info.error]


def _import_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name space, so that it cannot shadow an installed one."""
    module_name = f"medvl_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None  # a .py suffix always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and pickling look a class's module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _names_in_source(module: str) -> frozenset[str]:
    """Names that a plugin's source registers, read as text: a broken module cannot be asked."""
    try:
        spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    except (Exception, SystemExit):  # finding a module runs the package around it
        return frozenset()
    return frozenset(re.findall(r"register_\w+\(\s*[\"']([\w.-]+)[\"']", source))
