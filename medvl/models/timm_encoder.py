"""Any CNN, vision transformer or hierarchical transformer of timm as an image encoder."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from medvl.contract import Feature
from medvl.errors import ConfigError, WeightsError
from medvl.models import hub
from medvl.models.base import ImageEncoder
from medvl.models.cells import Cells
from medvl.models.channels import to_one_channel
from medvl.models.kept_patches import encode_kept, takes_kept
from medvl.models.levels import LEVELS, blocks_of, cells_of, channels_last, levels_of
from medvl.models.positions import sincos_positions
from medvl.models.weights import Coverage, load_weights, read_weights, take_prefix

Positions = Literal["learned", "sincos", "sincos_quarter"]
EXPONENTS = {"sincos": 1.0, "sincos_quarter": 0.25}


def smallest_sister(model: str) -> str:
    """The smallest model that is built like this one, for smoke runs: `vit_large_patch16_224` -> `vit_tiny_...`."""
    plain = model.partition(".")[0]
    tiny = re.sub(r"^(vit|deit)_(small|base|large|huge|giant)_", r"\1_tiny_", plain)
    tiny = re.sub(r"^resnet(34|50|101|152)$", "resnet18", tiny)
    return tiny if tiny != plain and timm.is_model(tiny) else model


class TimmEncoder(ImageEncoder):
    """A timm model without its classifier, on one-channel radiographs.

    `tokens` are the last feature map, row by row ((B, N, D); class and register tokens left out); `pooled` is what
    the model's own classifier would read. The two widths differ in some models (MobileNetV3: 576 and 1024).

    Args:
        size: side of the input in pixels; given by the stage's view.
        model: a name of `timm.list_models()`, with or without a weights tag (`resnet50.a1_in1k`).
        weights: `none` (random), `pretrained` (timm's own, from the hub), or a file (.safetensors, .pth, .pt).
            Three-channel weights are summed into one channel (`medvl.models.channels` undoes it).
        prefix: what stands before the names in the weights file, e.g. `encoder_q.`; found by itself where only
            one fits.
        drop_path: rate of stochastic depth in [0, 1), for models that have it.
        pool: `own` is what the model's classifier reads; `mean` of a vision transformer is the mean of its patches,
            and a normalisation behind it in place of the one before it (He 2022): `tokens` are then not normalised,
            and the new one starts afresh where the weights have none.
        positions: a vision transformer's table. `learned` is trained, `sincos` is MAE's fixed table (He 2022), and
            `sincos_quarter` has a quarter of its exponents, as MRM's released code; a table in the weights replaces a
            fixed one and stays fixed.
        expected: least share of tensors that the weights must cover, in [0, 1].
        levels: which of timm's intermediate maps (stages of a CNN, blocks of a ViT, counted from 0) are `level1` to
            `level4`; None for a CNN's last four stages, and for a ViT's blocks at every fourth of its depth.

    Attributes:
        net: the timm model.
        maps: its levels, the deepest last; none where timm gives no intermediate maps.
        first_convolutions: names of its modules that see the image.

    Raises:
        ConfigError: timm has no such model, or it cannot take images of this size.
        WeightsError: the weights cannot be had or do not fit.
    """

    smoke = MappingProxyType({"weights": "none", "prefix": None, "model": smallest_sister})

    def __init__(
        self,
        size: int,
        *,
        model: str = "resnet50",
        weights: str = "none",
        prefix: str | None = None,
        drop_path: float = 0.0,
        pool: Literal["own", "mean"] = "own",
        positions: Positions = "learned",
        expected: float = 0.95,
        levels: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.net: Any = _create(model, size, drop_path, pool)  # timm's models share methods, not a class
        if pool == "mean":
            self.may_lack = frozenset(f"net.{name}" for name in self.net.state_dict() if name.startswith("fc_norm."))
        first = _settings(model).first_conv or ()
        self.first_convolutions = (first,) if isinstance(first, str) else tuple(first)
        self._probe(model, size, drop_path, pool)
        self.maps = levels_of(self.net, size, levels)
        if positions != "learned":
            self._fix_positions(model, EXPONENTS[positions])
        self.coverage = self._load(model, weights, prefix, expected)

    def forward(self, images: Tensor, needs: Collection[str] = ("pooled",)) -> dict[str, Tensor]:
        """(B, 1, H, W) -> those of {"tokens": (B, N, D), "pooled": (B, D)} that are needed, from one pass.

        And of {"level1": (B, D, H, W), ...}, the maps of several depths.
        """
        found: dict[str, Tensor] = {}
        asked = [name for name in LEVELS if name in needs]
        if asked:
            indices = [self.maps[LEVELS.index(name)].index for name in asked]
            features, maps = self.net.forward_intermediates(images, indices, output_fmt="NCHW")
            found |= zip(asked, maps, strict=True)
        else:
            features = self.net.forward_features(images)
        if "tokens" in needs:
            found["tokens"] = self._tokens(features)
        if "pooled" in needs:
            found["pooled"] = self.net.forward_head(features, pre_logits=True)  # (B, D)
        return found

    def masked(self, images: Tensor, keep: Tensor) -> Tensor:
        """Of a vision transformer, the tokens of kept patches: see `ImageEncoder.masked`."""
        return encode_kept(self.net, images, keep)

    def features(self) -> list[Feature]:
        """Tokens, the pooled vector, and the levels."""
        levels = [
            Feature(f"image.{name}", level.width, grid=level.grid)
            for name, level in zip(LEVELS, self.maps, strict=False)
        ]
        return super().features() + levels

    def cells(self) -> Cells | None:
        """See `ImageEncoder.cells`."""
        return cells_of(self.net, self.grid)

    def blocks(self) -> list[list[nn.Parameter]]:
        """See `ImageEncoder.blocks`."""
        return blocks_of(self.net)

    def _tokens(self, features: Tensor) -> Tensor:
        if features.ndim == 3:
            return features[:, getattr(self.net, "num_prefix_tokens", 0) :]  # (B, N, D)
        if channels_last(self.net):
            return features.flatten(1, 2)  # (B, H, W, D) -> (B, N, D)
        return features.flatten(2).transpose(1, 2)  # (B, D, H, W) -> (B, N, D)

    def _fix_positions(self, model: str, exponent: float) -> None:
        """Put a sine-cosine table in the place of the learned one; class and register tokens have rows of 0."""
        table = getattr(self.net, "pos_embed", None)
        if not takes_kept(self.net) or table is None or self.grid is None:
            raise ConfigError(f"timm model '{model}' has no table of positions to fix. do: leave positions out")
        fixed = sincos_positions(table.shape[2], self.grid, exponent=exponent)
        first = table.shape[1] - len(fixed)
        with torch.no_grad():
            table.copy_(nn.functional.pad(fixed, (0, 0, first, 0))[None])
        table.requires_grad_(False)

    def _probe(self, model: str, size: int, drop_path: float, pool: str) -> None:
        """Find all sizes by one pass of a twin on the meta device, which computes nothing."""
        with torch.device("meta"), torch.no_grad():
            twin = _create(model, size, drop_path, pool).eval()
            try:
                features = twin.forward_features(torch.empty(1, 1, size, size))
                pooled = twin.forward_head(features, pre_logits=True)
            except (AssertionError, RuntimeError, ValueError) as error:
                raise _bad_size(model, size, str(error)) from error
        tokens = self._tokens(features)
        if tokens.shape[1] == 0:
            raise _bad_size(model, size, "nothing is left of it in the last feature map")
        self.tokens, self.tokens_width = tokens.shape[1], tokens.shape[2]
        self.pooled_width = pooled.shape[-1]
        self.grid = _grid(self.net, features, self.tokens)
        if takes_kept(self.net):
            self.patch = size // self.net.patch_embed.grid_size[0]
        able = {"grid": self.grid is not None, "masked_tokens": self.patch is not None}
        self.capabilities = frozenset(name for name, there in able.items() if there)

    def _load(self, model: str, weights: str, prefix: str | None, expected: float) -> Coverage | None:
        if weights == "none":
            return None
        known = _settings(model)
        if weights == "pretrained" and not known.hf_hub_id:
            raise WeightsError(_no_pretrained(model))
        if weights != "pretrained" and not Path(weights).is_file():
            raise WeightsError(
                f"weights '{weights}' is neither none nor pretrained nor an existing file. do: correct the path"
            )
        if next(self.net.parameters()).is_meta:
            return None  # `medvl check`: nothing to fill
        path = Path(weights)
        if weights == "pretrained":
            path = hub.file(str(known.hf_hub_id), known.hf_hub_filename or "model.safetensors")
        state = take_prefix(read_weights(path), self.net, source=weights, prefix=prefix)
        state = _resized(to_one_channel(state, self.first_convolutions), self.net)
        may_lack = [name.removeprefix("net.") for name in self.may_lack]
        source = f"{model} from {weights}"
        return load_weights(self.net, state, source=source, expected=expected, may_lack=may_lack)


def _settings(model: str) -> timm.models.PretrainedCfg:
    """What timm knows of a model and its weights: input size, first convolution, where the weights are."""
    architecture, _, _ = model.partition(".")
    if not timm.is_model(architecture):
        near = get_close_matches(architecture, timm.list_models(), n=5, cutoff=0.6)
        hint = f"nearest: {', '.join(near)}" if near else "do: see timm.list_models()"
        raise ConfigError(f"timm has no model '{model}'. {hint}")
    try:
        return timm.get_pretrained_cfg(model) or timm.models.PretrainedCfg()
    except RuntimeError as error:
        known = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none"
        raise ConfigError(f"timm has no weights '{model}'. known: {known}") from error


def _create(model: str, size: int, drop_path: float, pool: str) -> Any:
    known = _settings(model)
    settings: dict[str, Any] = {"img_size": size} if known.fixed_input_size else {}
    if drop_path:
        settings["drop_path_rate"] = drop_path
    if pool == "mean":
        settings["global_pool"] = "avg"
    try:
        net = timm.create_model(model, num_classes=0, in_chans=1, **settings)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise ConfigError(f"timm model '{model}' has no drop path. do: leave drop_path out") from error
    except (AssertionError, RuntimeError, ValueError) as error:
        raise _bad_size(model, size, str(error)) from error
    if pool == "mean" and not takes_kept(net):
        raise ConfigError(f"pool: mean is asked of timm model '{model}', no vision transformer. do: leave pool out")
    patch = getattr(getattr(net, "patch_embed", None), "patch_size", None)
    if patch is not None and known.fixed_input_size and any(size % side for side in patch):
        raise _bad_size(model, size, f"its patches have {patch[0]} pixels", patch[0])
    return net


def _bad_size(model: str, size: int, reason: str, patch: int | None = None) -> ConfigError:
    usual = _settings(model).input_size[-1]
    fits = f"the size it was made for is {usual}"
    if patch:
        below = size // patch * patch
        fits = f"sizes that fit nearby are {below} and {below + patch}" if below else f"the least that fits is {patch}"
    return ConfigError(
        f"timm model '{model}' cannot take images of {size} pixels: {reason.rstrip('.')}. {fits}. "
        "do: set the view's size"
    )


def _no_pretrained(model: str) -> str:
    family = timm.list_pretrained(model.partition("_")[0] + "*")
    near = get_close_matches(model, family, n=5, cutoff=0.3)
    return (
        f"timm has no pretrained weights for '{model}'. models that have some: {', '.join(near) or 'none alike'}. "
        "do: choose one, give a file, or write weights: none"
    )


def _grid(net: nn.Module, features: Tensor, tokens: int) -> tuple[int, int] | None:
    """(height, width) of the tokens; None where they are no full rectangle."""
    if features.ndim == 4:
        height, width = features.shape[1:3] if channels_last(net) else features.shape[2:4]
        return height, width
    side = math.isqrt(tokens)  # square, because the images are
    return (side, side) if side * side == tokens else None


def _resized(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Position tables interpolated to this input size and older names renewed, by the model's own module."""
    convert = getattr(importlib.import_module(type(net).__module__), "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        return convert(state, net)
    except (KeyError, AttributeError, RuntimeError):
        return state  # another architecture's file: the coverage report says so better
