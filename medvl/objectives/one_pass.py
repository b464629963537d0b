"""A weighted sum of objectives that share a single pass of the model over one corrupted batch."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from medvl.config.schema import Slot
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.objectives.base import Objective
from medvl.objectives.corrupting import CorruptingObjective
from medvl.objectives.total import Total


class OnePass(Total):
    """Like `total`, of terms that corrupt the batch: each in turn does, then the model runs once for all of them.

    Words are hidden of the very texts that were dealt to other radiographs, as in Moon 2022 and other single-stream
    models; under `total` every term would have texts and a pass of the fusion of its own, at twice the price.

    Args:
        terms: objectives by name, each one that corrupts (`mlm`, `report_matching`).
        weights: factor of a term's losses, at least 0; 1 where it is left out.

    Raises:
        ConfigError: as `total`; or a term that does not corrupt.
    """

    def __init__(
        self, *, terms: Annotated[dict[str, Objective], Slot("objective")], weights: dict[str, float] | None = None
    ) -> None:
        super().__init__(terms=terms, weights=weights)
        other = [name for name, term in terms.items() if not isinstance(term, CorruptingObjective)]
        if other:
            raise ConfigError(
                f"objective 'one_pass' shares a pass among terms that corrupt the batch (mlm, report_matching), and "
                f"{', '.join(other)} does not. do: take objective 'total'"
            )

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Every term's losses times its weight."""
        terms: dict[str, CorruptingObjective] = dict(self._named())  # type: ignore[arg-type]  # checked above
        for term in terms.values():
            batch = term.corrupt(batch)
        features = model(batch, self.needs)
        losses: dict[str, Tensor] = {}
        for name, term in terms.items():
            losses |= self._weighted(name, term.judge(model, features, batch))
        return losses
