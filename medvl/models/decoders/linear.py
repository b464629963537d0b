"""Nothing between the encoder and the classifier."""

from __future__ import annotations

from torch import Tensor

from medvl.errors import ConfigError
from medvl.models.base import Model
from medvl.models.decoders.base import Decoder

TOKENS = "image.tokens"


class Linear(Decoder):
    """The encoder's own tokens in their grid, so that a linear layer alone judges them: what a probe of patches does.

    Args:
        model: its image encoder has a grid.

    Raises:
        ConfigError: it has none.
    """

    needs = (TOKENS,)

    def __init__(self, model: Model) -> None:
        super().__init__()
        grid = model.features()[TOKENS].grid if TOKENS in model.features() else None
        if grid is None:
            raise ConfigError(
                "decoder 'linear' needs image tokens that stand in a grid. do: take another image encoder"
            )
        self.grid = grid
        self.width = model.width(TOKENS)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """(B, N, D) tokens -> (B, D, h, w)."""
        return features[TOKENS].transpose(1, 2).unflatten(2, self.grid)
