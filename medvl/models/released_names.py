"""Checkpoints as their authors released them: which of their tensors is which of ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from medvl.errors import WeightsError

Parts = dict[str, dict[str, Tensor]]


class ReleasedNames:
    """How one released layout names what our parts hold.

    Args:
        method: whose layout this is, as messages say it.
        names: (part, what a name starts with there, what it starts with here); the first that fits counts.
        give: what to give instead of a file of another layout.
        take: what to train instead of a part that this layout has no place for.

    Attributes:
        parts: those that the layout holds, in its order.
    """

    def __init__(self, method: str, names: tuple[tuple[str, str, str], ...], *, give: str, take: str) -> None:
        self.method, self.names, self.give, self.take = method, names, give, take
        self.parts = tuple(dict.fromkeys(part for part, _, _ in names))

    def ours(self, names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Their names -> each one's part and its name there.

        Raises:
            WeightsError: names that are not of this layout, or none at all.
        """
        places, strange = {}, []
        for name in names:
            fitting = [(part, own + name.removeprefix(their)) for part, their, own in self.names
                       if name.startswith(their)]  # fmt: skip
            if fitting:
                places[name] = fitting[0]
            else:
                strange.append(name)
        if not places and not strange:
            raise WeightsError(f"there is no tensor of {self.method}'s released layout. do: give {self.give}")
        if strange:
            raise WeightsError(
                f"{len(strange)} tensors are not of {self.method}'s released layout, e.g. {', '.join(strange[:3])}. "
                f"do: give {self.give}"
            )
        return places

    def theirs(self, part: str, name: str) -> str:
        """What a tensor of a part is called there.

        Raises:
            WeightsError: the layout has no place for it.
        """
        for candidate, their, own in self.names:
            if candidate == part and name.startswith(own):
                return their + name.removeprefix(own)
        raise WeightsError(
            f"{self.method}'s released layout has no place for '{name}' of part '{part}'. do: take {self.take}, and "
            f"parts of {', '.join(self.parts)}"
        )


def save_parts(parts: Mapping[str, Mapping[str, Tensor]], folder: Path) -> None:
    """A `.safetensors` file a part; the folder is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, tensors in parts.items():
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / f"{part}.safetensors")


def load_parts(folder: Path, known: Collection[str]) -> Parts:
    """The known parts of a folder of such files, for instance of a stage's exports (`TERM.vocabulary_head` counts).

    Raises:
        WeightsError: two files are the same part.
    """
    parts: Parts = {}
    for file in sorted(folder.glob("*.safetensors")):
        part = file.stem.rpartition(".")[2]
        if part in parts:
            raise WeightsError(f"two files of {folder} are part '{part}', one of them {file.name}. do: leave one there")
        if part in known:
            parts[part] = load_file(file)
    return parts
