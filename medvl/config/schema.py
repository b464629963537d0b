"""The schema of a component is its constructor's signature: keyword-only parameters, their types and defaults.

Parameters before the `*` are what the framework hands over (`model`, `data`, `size`, ...); those behind it are the
YAML's.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Slot:
    """Marks a parameter that is itself a component: `loss: Annotated[nn.Module, Slot("loss")] = "bce"`.

    In YAML it is a name, or a mapping with `name` and parameters; the constructor receives it built. On a parameter of
    type `dict[str, ...]` it is a mapping of such components.
    """

    kind: str


@dataclass(frozen=True)
class Parameter:
    """One YAML parameter of a component."""

    name: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """True where the YAML must give it."""
        return self.default is MISSING

    @property
    def slot(self) -> Slot | None:
        """The kind of component that goes here, if one does."""
        if get_origin(self.annotation) is Annotated:
            return next((extra for extra in get_args(self.annotation)[1:] if isinstance(extra, Slot)), None)
        return None

    @property
    def optional(self) -> bool:
        """True where none is a value."""
        held = get_args(self.annotation)[0] if get_origin(self.annotation) is Annotated else self.annotation
        return held is Any or type(None) in get_args(held)

    @property
    def holds_many(self) -> bool:
        """True for a mapping of components."""
        return self.slot is not None and get_origin(get_args(self.annotation)[0]) is dict


class Mismatch(Exception):
    """A value that is not of the expected type; the text says what was expected."""


def parameters_of(target: Callable[..., Any]) -> dict[str, Parameter]:
    """The YAML parameters of a class or function: its keyword-only ones, in order."""
    function = target.__init__ if inspect.isclass(target) else target
    hints = get_type_hints(function, include_extras=True)
    return {
        p.name: Parameter(p.name, hints.get(p.name, Any), p.default)
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


def handed_to(target: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the parameters that the framework hands over: those before the `*`."""
    function = target.__init__ if inspect.isclass(target) else target
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind in positional]
    return tuple(name for name in names if name != "self")


def spell(annotation: Any) -> str:
    """A type as a user reads it: `one of paper, released`, `int or none`."""
    if annotation is None or annotation is type(None):
        return "none"
    if annotation is Any:
        return "anything"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        slot = next((extra for extra in arguments[1:] if isinstance(extra, Slot)), None)
        return f"a {slot.kind} (name, or mapping with name)" if slot else spell(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(spell(member) for member in arguments)
    if origin in (list, tuple) or origin is Sequence:
        members = [a for a in arguments if a is not Ellipsis]
        return "list of " + " or ".join(dict.fromkeys(spell(member) for member in members)) if members else "list"
    if origin is dict:
        return f"mapping of {spell(arguments[0])} to {spell(arguments[1])}"
    return {str: "text", Path: "path", bool: "true or false"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


def convert(value: Any, annotation: Any, folder: Path) -> Any:
    """`value` as the annotated type; relative paths are taken from `folder`.

    Raises:
        Mismatch: it is not of that type.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return value
    if origin is Annotated:
        return convert(value, arguments[0], folder)
    if origin in (Union, types.UnionType):
        return _convert_union(value, annotation, arguments, folder)
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
        raise Mismatch(f"expected {spell(annotation)}")
    if origin in (list, tuple) or origin is Sequence:
        return _convert_sequence(value, annotation, folder)
    if origin is dict:
        if not isinstance(value, dict):
            raise Mismatch(f"expected {spell(annotation)}")
        return {convert(k, arguments[0], folder): convert(v, arguments[1], folder) for k, v in value.items()}
    return _convert_plain(value, annotation, folder)


def _convert_union(value: Any, annotation: Any, arguments: tuple[Any, ...], folder: Path) -> Any:
    if value is None and type(None) in arguments:
        return None
    for member in arguments:
        if member is type(None):
            continue
        try:
            return convert(value, member, folder)
        except Mismatch:
            continue
    raise Mismatch(f"expected {spell(annotation)}")


def _convert_sequence(value: Any, annotation: Any, folder: Path) -> Any:
    arguments = get_args(annotation)
    if not isinstance(value, list | tuple):
        raise Mismatch(f"expected {spell(annotation)}")
    if get_origin(annotation) is tuple and Ellipsis not in arguments:
        if len(value) != len(arguments):
            raise Mismatch(f"expected {len(arguments)} values, {spell(annotation)}")
        return tuple(convert(v, a, folder) for v, a in zip(value, arguments, strict=True))
    made = [convert(v, arguments[0], folder) for v in value]
    return tuple(made) if get_origin(annotation) is tuple else made


def expanded(path: str | Path) -> Path:
    """A path with `~` written out.

    Raises:
        Mismatch: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise Mismatch("expected a path; this machine has no such user") from error


def _convert_plain(value: Any, annotation: Any, folder: Path) -> Any:
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if annotation is Path and isinstance(value, str | Path):
        path = expanded(value)
        return path if path.is_absolute() else (folder / path).resolve()
    if annotation is str and isinstance(value, str):
        return str((folder / value).resolve()) if value.startswith(("./", "../")) else value
    if annotation is int and isinstance(value, bool):
        raise Mismatch(f"expected {spell(annotation)}")
    if inspect.isclass(annotation) and isinstance(value, annotation):
        return value
    raise Mismatch(f"expected {spell(annotation)}")
