"""What the tests of the SLIP variants train: two encoders without batch norm and dropout, and batches for them."""

import torch
from medvl_slip.heads import mlp
from medvl_slip.language_image import CLIP
from medvl_slip.simclr import SimCLR
from torch import nn

import medvl
from medvl.models.base import Model, TextEncoder
from tests.plugins.moco_toy import Flat


class Words(TextEncoder):
    """Counts of ids through one layer."""

    width = 7

    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(12, self.width)

    def forward(self, ids, mask, needs=("pooled",)):
        return {"pooled": self.embedding(ids)}


def model() -> Model:
    """The same every time."""
    torch.manual_seed(0)
    return Model(image=Flat(16), text=Words())


def pairs(rows: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """A batch of all views and texts that any of the objectives reads."""
    random = torch.Generator().manual_seed(seed)
    views = ("image", "view_a", "view_b", "query", "key")
    batch = {view: torch.randn(rows, 1, 4, 4, generator=random) for view in views}
    ids = torch.randint(12, (rows, 5), generator=random)
    return batch | {"text.ids": ids, "text.mask": torch.ones_like(ids, dtype=torch.bool)}


def clip(encoders: Model, chunk: int | None = None) -> medvl.Objective:
    """CLIP whose heads have no batch norm, so that parts of a batch do what the whole does."""
    return CLIP(encoders, dim=8, image_head="mlp", text_head="mlp", chunk=chunk)


def simclr(encoders: Model, chunk: int | None = None) -> medvl.Objective:
    """SimCLR, without batch norm in its head."""
    objective = SimCLR(encoders, hidden=8, dim=4, chunk=chunk)
    objective.head = mlp(encoders.width("image.pooled"), 8, 4, norm=False)
    return objective
