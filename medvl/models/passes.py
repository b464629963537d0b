"""One pass through an encoder for every input, however many ask for its features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class _Pass:
    """What an encoder or a fusion gave for an input."""

    module: nn.Module
    inputs: tuple[Tensor, ...]  # held, so that no other tensor takes their place in memory
    graph: bool  # whether gradients can flow through it
    found: dict[str, Tensor]


@dataclass
class _Shared:
    """What is wanted of inputs, and the passes so far."""

    wanted: list[tuple[Tensor, tuple[str, ...]]] = field(default_factory=list)
    passes: list[_Pass] = field(default_factory=list)


_shared: _Shared | None = None  # inside `shared_passes`


@contextmanager
def shared_passes(wanted: Iterable[tuple[Tensor, tuple[str, ...]]] = ()) -> Iterator[None]:
    """Inside, `Model` runs an encoder once for an input, and gives the same features to all who ask.

    Terms of a sum that look at the same view share it so. Inside another one it is a part of that; the features live
    until the outermost ends. Weights must not change inside.

    Args:
        wanted: inputs (a view's pixels, token ids) and the features that will be asked of them, so that the first pass
            gives all of them. What is not announced costs a pass of its own.
    """
    global _shared
    before = _shared
    if _shared is None:
        _shared = _Shared()
    _shared.wanted += wanted
    try:
        yield
    finally:
        _shared = before


def wanted_of(tensor: Tensor) -> set[str]:
    """The features that were announced for an input; none outside of `shared_passes`."""
    if _shared is None:
        return set()
    return {name for known, names in _shared.wanted if known is tensor for name in names}


def run_once(
    module: nn.Module, inputs: tuple[Tensor, ...], names: set[str], run: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What `run` gives, or what an earlier pass of this module over these inputs gave, if it holds all `names`."""
    if _shared is None:
        return run()
    graph = torch.is_grad_enabled()
    for earlier in _shared.passes:
        same = len(earlier.inputs) == len(inputs) and all(a is b for a, b in zip(earlier.inputs, inputs, strict=True))
        if same and earlier.module is module and earlier.graph == graph and names <= set(earlier.found):
            return earlier.found
    found = run()
    _shared.passes.append(_Pass(module, inputs, graph, found))
    return found
