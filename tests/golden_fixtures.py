"""Numbers that the authors' own code produced: weights, inputs, outputs, gradients.

The folder comes from MEDVL_GOLDEN (default: `tests/golden`), and every shape and setting from the fixture's JSON,
so that another set with other seeds and sizes runs through the same tests.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

FOLDER = Path(os.environ.get("MEDVL_GOLDEN", Path(__file__).parent / "golden"))


@dataclass
class Golden:
    """One fixture: `meta` is its JSON, the tensors are split by their prefix."""

    stem: str
    meta: dict
    tensors: dict[str, torch.Tensor]

    @property
    def config(self) -> dict:
        return self.meta["config"]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """Tensors under `prefix.` (state, in, out, alt), the prefix cut off."""
        return {k[len(prefix) + 1 :]: v for k, v in self.tensors.items() if k.startswith(prefix + ".")}

    def close(self, actual: torch.Tensor, name: str) -> None:
        """Compare with the tensor of that full name (`out.logits`) at the fixture's own tolerance."""
        tolerance = {"atol": 0.0, "rtol": 0.0} | self.meta["suggested_tolerance"]
        expected = self.tensors[name]
        torch.testing.assert_close(
            actual.detach().to(expected.dtype), expected, **tolerance, msg=lambda m: f"{name}: {m}"
        )


def golden(stem: str) -> Golden:
    return Golden(stem, json.loads((FOLDER / f"{stem}.json").read_text()), load_file(FOLDER / f"{stem}.safetensors"))
