"""Laying one tree over another: `extends`, and overrides from the command line.

A mapping with a `name` is a component slot. Laid over by another name it starts afresh, since the old parameters
belong to the old component; `fusion: concat` is short for `fusion: {name: concat}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medvl.config.source import KeyPath, Origin, Tree, parse_value, read_yaml, spell_path, value_at
from medvl.errors import ConfigError, nearest

TABLE_KEYS = ("matrix", "exclude", "table")  # of a file that is many experiments, see medvl/config/matrix.py
ROOT_KEYS = (
    "medvl", "name", "extends", "seed", "plugins", "stages", "data_root", "runs", "device", "devices", "precision",
    "compile", "smoke", "assume", "report", *TABLE_KEYS,
)  # fmt: skip
STAGE_KEYS = ("data", "views", "model", "objective", "optim", "budget", "stop", "evaluate", "seed", "protocol")
MODEL_SLOTS = ("image", "text", "fusion")

# a text of several sections is one rule, a paper's counts are one set: half of another would mean something else
WHOLE = (("data", "text"), ("data", "expect"))


def load_tree(path: Path, seen: tuple[Path, ...] = ()) -> Tree:
    """A file laid over what it extends.

    Raises:
        ConfigError: see `read_yaml`; or files that extend each other.
    """
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{seen[-1].name}: extends itself: {' -> '.join(p.name for p in (*seen, path))}")
    tree = read_yaml(path)
    parent = tree.values.get("extends")
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise ConfigError(f"{tree.place(('extends',))}: expected the path of one file, found {parent!r}")
    base_path = path.parent / parent
    if not base_path.is_file():
        raise ConfigError(f"{tree.place(('extends',))}: no such file: {base_path}")
    base = load_tree(base_path, (*seen, path))
    lay_over(base, tree, ())
    base.history[()] = tree.history[()]
    base.values.pop("extends", None)
    return base


def lay_over(base: Tree, over: Tree, path: KeyPath) -> None:
    """Lay every value of `over` below `path` over `base`, in place."""
    for key, value in value_at(over.values, path).items():
        here = (*path, key)
        origin = over.origin(here)
        if isinstance(value, dict) and _goes_into(value_at(base.values, here), value, here):
            spread(base, here)
            base.history.setdefault(here, []).append((value, origin))
            lay_over(base, over, here)
        else:
            put(base, here, value, origin)
            for below, written in over.history.items():
                if below[: len(here)] == here and below != here:
                    base.history[below] = list(written)


def put(tree: Tree, path: KeyPath, value: Any, origin: Origin) -> None:
    """Set one value; text put on a component slot is the component's name, null empties the slot.

    Raises:
        ConfigError: the path leads into a value without parts, or past the end of a list.
    """
    parent: Any = tree.values
    for depth, part in enumerate(path[:-1], start=1):
        spread(tree, path[:depth])
        child = _get(parent, part)
        if child is None:
            child = {}
            _set(parent, part, child, path[:depth], origin)
            tree.history.setdefault(path[:depth], []).append((child, origin))
        if not isinstance(child, dict | list):
            raise ConfigError(f"{origin.text}: '{spell_path(path[:depth])}' is {child!r}, which has no parts")
        parent = child
    old = _get(parent, path[-1])
    if isinstance(old, dict) and "name" in old and isinstance(value, str):
        value = {"name": value} if old["name"] != value else old
    if not isinstance(value, dict) or _is_whole(path) or _other_component(old, value, path):
        for below in [p for p in tree.history if p[: len(path)] == path and p != path]:
            del tree.history[below]
    _set(parent, path[-1], value, path, origin)
    if value is not old:
        _note(tree, path, value, origin)


def spread(tree: Tree, path: KeyPath) -> None:
    """Where `path` holds a component's bare name, write it out as a mapping, so that parameters can join it."""
    name = value_at(tree.values, path)
    if not isinstance(name, str) or not name or len(path) < 2 or _is_whole(path):
        return
    long = {_short_for(path): name}
    parent = value_at(tree.values, path[:-1])
    parent[path[-1]] = long
    if path in tree.history:
        tree.history[(*path, _short_for(path))] = list(tree.history[path])


def _short_for(path: KeyPath) -> str:
    """What a bare text stands for: a component's name, or the policy of `data.labels`."""
    return "policy" if path[-2:] == ("data", "labels") else "name"


def _is_whole(path: KeyPath) -> bool:
    """True for values that are replaced as a whole, whatever is laid over whatever."""
    return path[-2:] in WHOLE


def _goes_into(old: Any, value: dict[str, Any], path: KeyPath) -> bool:
    """True where `value` changes parts of `old`; False where it takes its place."""
    if _is_whole(path):
        return False
    if isinstance(old, str):
        return len(path) > 1 and _short_for(path) not in value
    return isinstance(old, dict) and not _other_component(old, value, path)


def _get(parent: Any, key: str | int) -> Any:
    if isinstance(parent, list):
        return parent[key] if isinstance(key, int) and key < len(parent) else None
    return parent.get(key)


def _set(parent: Any, key: str | int, value: Any, path: KeyPath, origin: Origin) -> None:
    if isinstance(parent, dict) or (isinstance(key, int) and key < len(parent)):
        parent[key] = value
    elif key == len(parent):
        parent.append(value)
    else:
        raise ConfigError(
            f"{origin.text}: '{spell_path(path[:-1])}' is a list of {len(parent)}; count from 0, found '{key}'"
        )


def _note(tree: Tree, path: KeyPath, value: Any, origin: Origin) -> None:
    tree.history.setdefault(path, []).append((value, origin))
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        _note(tree, (*path, key), part, origin)


def apply_override(tree: Tree, text: str) -> None:
    """Apply `finetune.fusion=concat`, as it stands on the command line.

    Raises:
        ConfigError: no `=`, or a path that leads nowhere; the message gives the nearest.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"command line '{text}': an override is written key=value, e.g. finetune.optim.lr=1e-4")
    override(tree, key.strip(), parse_value(value), Origin(f"command line '{text}'", Path.cwd()))


def override(tree: Tree, key: str, value: Any, origin: Origin) -> None:
    """Set one value. `stages.` and `model.` may be left out of its key; without a stage, it means every stage.

    Args:
        tree: changed in place.
        key: e.g. `finetune.fusion`.
        value: plain; a mapping changes parts of the mapping that is there.
        origin: where this is written.

    Raises:
        ConfigError: a key that leads nowhere; the message gives the nearest.
    """
    for path in _targets(tree, key, origin.text):
        old = value_at(tree.values, path)
        if isinstance(value, dict) and _goes_into(old, value, path):
            for part, of_part in value.items():
                put(tree, (*path, part), of_part, origin)
        else:
            put(tree, path, value, origin)


def _targets(tree: Tree, key: str, place: str) -> list[KeyPath]:
    parts = list(key_parts(key))
    stages = tree.values.get("stages")
    stages = stages if isinstance(stages, dict) else {}
    if parts[0] == "stages":
        parts = parts[1:]
    elif parts[0] == "extends":
        raise ConfigError(f"{place}: only a file can extend another. write a file with extends: PATH")
    elif parts[0] in ROOT_KEYS:
        return [tuple(parts)]
    if not parts:
        raise ConfigError(f"{place}: say which stage: {', '.join(stages)}")
    if parts[0] in stages:
        if len(parts) == 1:
            return [("stages", parts[0])]
        rest = _in_stage(parts[1:])
        if rest is None:
            raise ConfigError(_nowhere(place, str(parts[1]), [*STAGE_KEYS, *MODEL_SLOTS]))
        return [("stages", parts[0], *rest)]
    rest = _in_stage(parts)
    if rest is None:
        raise ConfigError(_nowhere(place, str(parts[0]), [*stages, *STAGE_KEYS, *MODEL_SLOTS, *ROOT_KEYS]))
    slot = rest[:2] if rest[0] in ("model", "views") else rest[:1]
    having = [name for name in stages if value_at(stages[name], slot) is not None]
    if not having:
        raise ConfigError(f"{place}: no stage has '{'.'.join(map(str, slot))}'. stages: {', '.join(stages)}")
    return [("stages", name, *rest) for name in having]


def key_parts(key: str) -> KeyPath:
    """`evaluate[0].split` -> `("evaluate", 0, "split")`."""
    pieces = key.replace("[", ".").replace("]", "").split(".")
    return tuple(int(piece) if piece.isdigit() else piece for piece in pieces)


def _in_stage(parts: list[str | int]) -> KeyPath | None:
    if parts[0] in MODEL_SLOTS:
        return ("model", *parts)
    return tuple(parts) if parts[0] in STAGE_KEYS else None


def _nowhere(place: str, word: str, known: list[str]) -> str:
    return f"{place}: unknown key '{word}'.{nearest(word, known)} known: {', '.join(known)}"


def _other_component(old: Any, new: Any, path: KeyPath) -> bool:
    """True where `new` names another component than `old` (the root's `name` names the experiment)."""
    if not path or not isinstance(old, dict) or not isinstance(new, dict):
        return False
    return "name" in new and "name" in old and old["name"] != new["name"]
