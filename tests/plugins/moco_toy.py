"""What the MoCo tests train: small image encoders, and the loop around an objective."""

import re

import torch
from medvl_moco_cxr.objective import MoCo
from torch import nn

from medvl.models.base import ImageEncoder, Model


class ConvNet(ImageEncoder):
    """The convolutional net that a fixture's configuration describes, up to its spatial mean."""

    def __init__(self, layers: list[str], channels: list[int], inputs: int) -> None:
        super().__init__()
        widths = iter(channels)
        for layer in layers[: layers.index("spatial mean")]:
            name = layer.split()[0]
            if name.startswith("conv"):
                size, stride, padding = map(int, re.search(r"(\d+)x\d+ stride (\d+) pad (\d+)", layer).groups())
                width = next(widths)
                self.add_module(name, nn.Conv2d(inputs, width, size, stride, padding, bias="no bias" not in layer))
                inputs = width
            else:
                self.add_module(name, nn.BatchNorm2d(inputs) if name.startswith("bn") else nn.ReLU())
            if name == "relu":  # fixtures name all of them alike
                self._modules[f"relu{len(self._modules)}"] = self._modules.pop(name)
        self.tokens_width = self.pooled_width = inputs
        self.tokens = 1

    def forward(self, images, needs=("pooled",)):
        for layer in self.children():
            images = layer(images)
        return {"pooled": images.mean(dim=(2, 3))}


class Flat(ImageEncoder):
    """Pixels through two layers, with or without batch norm between them."""

    def __init__(self, pixels: int, width: int = 8, norm: bool = False) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), middle, nn.ReLU(), nn.Linear(width, width))
        self.tokens_width = self.pooled_width = width
        self.tokens = 1

    def forward(self, images, needs=("pooled",)):
        return {"pooled": self.net(images)}


def make(seed: int = 0, norm: bool = False, **settings) -> tuple[Model, MoCo]:
    """A model and its objective on 4 x 4 images, the same for the same seed."""
    torch.manual_seed(seed)
    model = Model(image=Flat(16, norm=norm))
    return model, MoCo(model, **{"queue_size": 10, "dim": 4, "momentum": 0.9} | settings)


def views(rows: int, seed: int) -> dict[str, torch.Tensor]:
    """A batch of (rows, 1, 4, 4) query and key views."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows, 1, 4, 4, generator=generator) for name in ("query", "key")}


def train_step(model, objective, optimizer, *batches) -> list[float]:
    """One optimiser step over micro-batches, as the engine does it; returns their losses."""
    objective.before_step(model)
    optimizer.zero_grad()
    losses = [objective(model, batch)["info_nce"] for batch in batches]
    for loss in losses:
        (loss / len(batches)).backward()
    optimizer.step()
    objective.after_step(model)
    return [loss.item() for loss in losses]


def trainable(model, objective) -> list[nn.Parameter]:
    return [p for p in [*model.parameters(), *objective.parameters()] if p.requires_grad]
