"""Weights from files into modules, with a report of what was covered, and back into files."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medvl.errors import WeightsError

State = dict[str, Tensor]

WRAPPERS = ("state_dict", "model", "model_state")  # keys under which training scripts keep the weights
DECORATIONS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put in front of every name
COUNTER = "num_batches_tracked"  # no weight: files older than PyTorch 0.4.1 lack it


@dataclass(frozen=True)
class Coverage:
    """What became of a module's tensors and of a file's.

    Attributes:
        source: where the weights came from.
        loaded: names that were filled.
        missing: names of the module that the source lacks.
        unexpected: names of the source that the module lacks.
        other_shape: name -> (shape in the module, shape in the source).
    """

    source: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    other_shape: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def total(self) -> int:
        """Number of the module's tensors."""
        return len(self.loaded) + len(self.missing) + len(self.other_shape)

    @property
    def share(self) -> float:
        """Loaded share of the module's tensors, in [0, 1]; 1 for a module without any."""
        return len(self.loaded) / self.total if self.total else 1.0

    def summary(self) -> str:
        """How many tensors of each group there are, in one line."""
        return (
            f"{self.source}: {len(self.loaded)} of {self.total} tensors loaded ({self.share:.1%}); {len(self.missing)} "
            f"missing, {len(self.other_shape)} of another shape, {len(self.unexpected)} left over"
        )

    def notes(self) -> list[str]:
        """A sentence for readers of results where less than all was loaded."""
        lacking = (*self.missing, *self.other_shape)
        return [f"{self.summary()}; not loaded: {first_names(lacking)}"] if lacking else []

    def details(self) -> str:
        """The first names of each group that did not fit, a line each."""
        shapes = [f"{name} {found}, wanted {wanted}" for name, (wanted, found) in self.other_shape.items()]
        groups = (("missing", self.missing), ("of another shape", tuple(shapes)), ("left over", self.unexpected))
        return "\n".join(f"  {what}: {first_names(names)}" for what, names in groups if names)


def load_weights(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    source: str,
    expected: float = 0.95,
    rename: Callable[[str], str | None] | None = None,
    may_lack: Collection[str] = (),
) -> Coverage:
    """Copy every tensor of `state` that fits into `module`, and say what did not.

    Args:
        module: filled in place; devices and dtypes stay its own.
        state: tensors by name.
        source: where they came from, for messages.
        expected: least share of the module's tensors that must be loaded, in [0, 1].
        rename: name in `state` -> name in the module, or None to leave the tensor out.
        may_lack: names of the module that `state` need not have; they do not count as missing.

    Raises:
        WeightsError: fewer tensors fit than expected. The module is then untouched.
    """
    if rename is not None:
        state = {new: tensor for name, tensor in state.items() if (new := rename(name)) is not None}
    own = module.state_dict()
    fits = {name: state[name] for name in own if name in state and state[name].shape == own[name].shape}
    coverage = Coverage(
        source=source,
        loaded=tuple(fits),
        missing=tuple(n for n in own if n not in state and not n.endswith(COUNTER) and n not in may_lack),
        unexpected=tuple(name for name in state if name not in own),
        other_shape={n: (tuple(own[n].shape), tuple(state[n].shape)) for n in own if n in state and n not in fits},
    )
    if coverage.share < expected:
        raise WeightsError(
            f"{coverage.summary()}. at least {expected:.0%} was expected.\n{coverage.details()}\n"
            "do: check that the file holds this architecture at this size, or write weights: none to start at random"
        )
    module.load_state_dict(fits, strict=False)
    return coverage


def read_weights(path: Path | str) -> State:
    """Tensors by name from a `.safetensors` file or a torch checkpoint, never running code from the file.

    What training scripts wrap around (`state_dict`, `model`, a `module.` before every name) is taken off.

    Raises:
        WeightsError: the file is missing, corrupt, holds no named tensors, or is a pickle that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weights file {path} does not exist. do: correct the path, or write weights: none")
    if path.suffix == ".safetensors":
        try:
            return _undecorated(load_file(path))
        except safetensors.SafetensorError as error:
            raise WeightsError(f"weights file {path} is corrupt: {error}. do: fetch or export it again") from error
    return _undecorated(_tensors(_unpickle(path), path))


def save_weights(module: nn.Module, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a module's tensors as safetensors, atomically.

    Tensors that share memory (tied embeddings) are written under each of their names, so that any reader finds them.
    """
    seen: set[int] = set()
    state: State = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        state[name] = tensor.clone() if storage in seen else tensor  # the format refuses shared memory
        seen.add(storage)
    partial = path.with_name(path.name + ".partial")
    save_file(state, partial, dict(metadata or {}))
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def take_prefix(state: State, module: nn.Module, *, source: str, prefix: str | None = None) -> State:
    """The part of `state` that stands under `prefix`, with the prefix taken off.

    Args:
        state: tensors by name.
        module: the module they are meant for.
        source: where they came from, for messages.
        prefix: e.g. `encoder_q.`; None finds the one under which most of the module's names stand.

    Raises:
        WeightsError: the prefix stands before no name, or None and several fit equally well (MoCo's two encoders).
    """
    if prefix is None:
        prefix = _best_prefix(state, module, source)
    if not prefix:
        return state
    taken = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    if not taken:
        raise WeightsError(f"{source}: no name starts with prefix '{prefix}'. names there: {first_names(tuple(state))}")
    return taken


def _best_prefix(state: State, module: nn.Module, source: str) -> str:
    own = [name for name in module.state_dict() if not name.endswith(COUNTER)]
    if not own:
        return ""
    known = set(state)
    # a few names, in case the file lacks the first
    candidates = {other.removesuffix(name) for name in own[:8] for other in known if _stands_under(other, name)}
    hits = {prefix: sum(prefix + name in known for name in own) for prefix in candidates}
    most = max(hits.values(), default=0)
    best = sorted(prefix for prefix, count in hits.items() if count == most)
    if "" in best or most < len(own) / 2:
        return ""  # nothing to take off, or another architecture: the coverage report says so better
    if len(best) > 1:
        raise WeightsError(
            f"{source}: the weights stand there several times, under {' and '.join(best)}. do: write prefix: {best[0]}"
        )
    return best[0]


def _stands_under(name: str, own: str) -> bool:
    return name == own or name.endswith("." + own)


def _unpickle(path: Path) -> object:
    try:
        # argparse.Namespace holds a script's settings and runs nothing; MAE and MRM checkpoints carry one
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, IndexError, OSError) as error:
        blocked = "GLOBAL" in str(error) or "global" in str(error)
        if not blocked:
            raise WeightsError(
                f"weights file {path} is corrupt or no torch checkpoint. do: fetch or export it again"
            ) from error
        raise WeightsError(
            f"weights file {path} is refused: it is a pickle that holds more than tensors, and reading it could run "
            "code from the file. do: if you trust where it comes from, keep only its tensors with "
            "torch.save(torch.load(path, weights_only=False)['state_dict'], 'tensors.pt') and use that file"
        ) from error


def _tensors(content: object, path: Path) -> State:
    while isinstance(content, dict) and (inner := [key for key in WRAPPERS if isinstance(content.get(key), dict)]):
        content = content[inner[0]]
    found = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not found:
        raise WeightsError(
            f"weights file {path} holds no named tensors (looked into {', '.join(WRAPPERS)}). "
            "do: save module.state_dict() there"
        )
    return {str(name): tensor for name, tensor in found.items()}


def _undecorated(state: State) -> State:
    for decoration in DECORATIONS:
        if state and all(name.startswith(decoration) for name in state):
            state = {name.removeprefix(decoration): tensor for name, tensor in state.items()}
    return state


def first_names(names: Sequence[str], count: int = 5) -> str:
    """The first ones, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
