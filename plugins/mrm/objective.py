"""Masked record modelling: removed patches from the kept ones, hidden words from the others and the radiograph."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import medvl

from .image_decoder import ImageDecoder
from .pixels import normalised, pixels_of, unnormalised, with_pixels
from .rules import EXPONENTS, PRESETS, Fuse, Positions, Preset, Score


class MRM(medvl.Objective):
    """Masked record modelling (Zhou et al., ICLR 2023): a radiograph and its report, both with parts of them hidden.

    The image encoder sees the kept patches of a radiograph at low resolution. A light decoder restores the pixels of
    the removed ones at twice the resolution, under the loss `image`. The text slot is the report decoder: it restores
    hidden words from the others, to which a pooled vector of the kept patches is added, under the loss `report`.
    Only removed patches are predicted, and words are scored where they count.

    Args:
        model: an image encoder with `masked_tokens` and, for reports, a text encoder with `conditioned`.
        preset: `paper` or `released`; what the last seven parameters are where they are not given.
        image_ratio: share of the patches that is removed; in (0, 1).
        text_ratio: probability that a word is hidden; in (0, 1].
        image_weight, report_weight: factors of the two losses, at least 0; one with 0 is not computed at all.
        super_resolution: restore pixels of the field `image_high`, twice the side of `image`, as the view `cxr_mrm`
            gives it; else those of `image` itself.
        pool: how kept patches become one vector: `mean` or `max`.
        fuse_image: add such a vector to what enters the image decoder too, through a linear map of its own.
        decoder_width, decoder_depth, decoder_heads: of the image decoder; its width is the encoder's where None.
        normalise_targets: restore each patch's pixels at mean 0 and variance 1; else as they are.
        channels: of the pixels that are predicted: 1, or 3 equal ones as in the released weights.
        positions: the image decoder's fixed table: `sincos` is MAE's, `sincos_quarter` has a quarter of its exponents.
        whole_words: all pieces of a word are hidden or none; else each piece for itself.
        score: words count where they are `hidden`, or at `all` positions, padding included.
        fuse: the vector is added to `visible` words alone, or to `all` positions, hidden ones and padding included.
        tied: words are scored with the report decoder's own embeddings, else with a table of the head's.

    Raises:
        ConfigError: a value out of its range, or an image encoder that cannot be used.
    """

    reconstructs: ClassVar[bool] = True
    smoke: ClassVar[MappingProxyType[str, Any]] = MappingProxyType({"decoder_depth": 1, "decoder_width": 96})
    needs: tuple[str, ...] = ("image.tokens", "text.ids")
    requires: ClassVar[dict[str, tuple[str, ...]]] = {"image": ("grid", "masked_tokens"), "text": ("conditioned",)}
    marks: Tensor
    continuing: Tensor

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Preset = "paper",
        image_ratio: float = 0.75,
        text_ratio: float = 0.5,
        image_weight: float = 1.0,
        report_weight: float = 1.0,
        super_resolution: bool = True,
        pool: Literal["mean", "max"] = "mean",
        fuse_image: bool = False,
        decoder_width: int | None = None,
        decoder_depth: int = 4,
        decoder_heads: int = 6,
        normalise_targets: bool | None = None,
        channels: Literal[1, 3] | None = None,
        positions: Positions | None = None,
        whole_words: bool | None = None,
        score: Score | None = None,
        fuse: Fuse | None = None,
        tied: bool | None = None,
    ) -> None:
        super().__init__()
        self.rules = PRESETS[preset].but(
            normalise_targets=normalise_targets, channels=channels, positions=positions, whole_words=whole_words,
            score=score, fuse=fuse, tied=tied,
        )  # fmt: skip
        self.weights = {"image": image_weight, "report": report_weight}
        self.text_ratio = text_ratio
        self.scale = 2 if super_resolution else 1
        self.pool = pool
        self.needs = MRM.needs if report_weight else MRM.needs[:1]
        width, image = model.width("image.tokens"), model.image
        assert image is not None and image.grid is not None and image.patch is not None, "see `requires`"
        self.patch = image.patch
        self.removed = image.tokens - int(image.tokens * (1 - image_ratio))
        _check(self, image_ratio, image.tokens)
        if image_weight:
            own = decoder_width or width
            self.image_decoder = ImageDecoder(
                width, width=own, depth=decoder_depth, heads=decoder_heads, grid=image.grid,
                outputs=(self.scale * self.patch) ** 2 * self.rules.channels, exponent=EXPONENTS[self.rules.positions],
            )  # fmt: skip
            self.image_projection = nn.Linear(width, own) if fuse_image else None
        if report_weight:
            self._add_report(model, width)

    def _add_report(self, model: medvl.Model, width: int) -> None:
        """What the report needs, from the width of the image's tokens."""
        own = model.width("text.tokens")
        assert model.text is not None
        rows, tokenizer = len(model.text.table), model.text.tokenizer
        self.hide, self.pad, self.length = tokenizer.mask, tokenizer.pad, tokenizer.max_length
        self.report_projection = nn.Linear(width, own)
        self.vocabulary_head = medvl.VocabularyHead(own, rows, tied=self.rules.tied, eps=1e-12)
        pieces = tokenizer.continuing if self.rules.whole_words else ()
        self.register_buffer("marks", _among(tokenizer.marks, rows), persistent=False)
        self.register_buffer("continuing", _among(pieces, rows), persistent=False)

    def forward(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """The losses `image` and `report`, weighted, of `image` (B, 1, H, W), `image_high`, `text.ids`, `text.mask`."""
        assert model.image is not None
        images = batch["image"]
        kept, removed = self.split(len(images), model.image.tokens, images.device)
        tokens = model.image.masked(images, kept)  # (B, P + n, D)
        patches = tokens[:, -kept.shape[1] :]
        losses: dict[str, Tensor] = {}
        if self.weights["image"]:
            restored = self.restore(tokens, kept, removed)
            losses["image"] = F.mse_loss(restored.float(), self.targets(batch, removed))
        if self.weights["report"]:
            vectors = self.pooled(patches, self.report_projection)
            losses["report"] = self.report_loss(model, batch["text.ids"], batch["text.mask"], vectors)
        return {name: self.weights[name] * loss for name, loss in losses.items()}

    def split(self, cases: int, patches: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """The patches of each case dealt out at random: (B, n) kept ones and (B, N - n) removed ones, int64."""
        noise = torch.rand(cases, patches, generator=self.generator(device), device=device)
        kept, removed = noise.argsort(1).split([patches - self.removed, self.removed], 1)
        return kept, removed

    def restore(self, tokens: Tensor, kept: Tensor, removed: Tensor) -> Tensor:
        """Pixels of the removed patches, as `targets` has them: (B, P + n, D), (B, n), (B, m) -> (B, m, values)."""
        added = None
        if self.image_projection is not None:
            added = self.pooled(tokens[:, -kept.shape[1] :], self.image_projection)
        return self.image_decoder(tokens, kept, removed, added)

    def targets(self, batch: medvl.Batch, removed: Tensor) -> Tensor:
        """Pixels of the removed patches of a batch: (B, m) -> (B, m, values).

        Raises:
            ConfigError: the view gives no `image_high` of twice the side.
        """
        pixels = pixels_of(self.large(batch), self.scale * self.patch, removed, self.rules.channels)
        return normalised(pixels) if self.rules.normalise_targets else pixels

    def large(self, batch: medvl.Batch) -> Tensor:
        """(B, 1, H, W) float: the images whose pixels are restored.

        Raises:
            ConfigError: see `targets`.
        """
        low = batch["image"]
        target = low if self.scale == 1 else batch.get("image_high")
        if target is None or target.shape[-1] != self.scale * low.shape[-1]:
            raise medvl.ConfigError(
                "mrm restores pixels of `image_high`, twice the side of `image`, and the view gives none. "
                "do: write image: {name: cxr_mrm}, or super_resolution: false"
            )
        return target.float()

    def pooled(self, patches: Tensor, projection: nn.Module) -> Tensor:
        """The global feature: patches (B, n, D) -> (B, D')."""
        if self.pool == "mean":
            return projection(patches.mean(1))  # a linear map of a mean is the mean of linear maps
        return projection(patches).amax(1)

    def report_loss(self, model: medvl.Model, ids: Tensor, mask: Tensor, vectors: Tensor) -> Tensor:
        """Cross entropy of freshly hidden words: ids and mask (B, T), the global feature (B, D) -> ()."""
        assert model.text is not None
        found, ids, hidden = self.read(model, ids, mask, vectors)
        everywhere = self.rules.score == "all"
        counted = torch.ones_like(hidden) if everywhere else hidden
        most = ids.numel() if everywhere else medvl.most_chosen(self.text_ratio, *ids.shape)
        return self.vocabulary_head.cross_entropy(found, model.text.table, ids, counted.float(), most=most)

    def read(self, model: medvl.Model, ids: Tensor, mask: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The report decoder over words freshly hidden.

        Args:
            ids, mask: (B, T).
            vectors: (B, D), the global feature.

        Returns:
            (B, T', D) the last layer, (B, T') ids as they were, (B, T') bool where they are hidden. T' is the longest
            text that there may be where padding counts.
        """
        assert model.text is not None
        everywhere = self.rules.score == "all"
        if everywhere:  # padding counts, and so does how much of it there is
            more = self.length - ids.shape[1]
            ids, mask = F.pad(ids, (0, more), value=self.pad), F.pad(mask, (0, more), value=False)
        seen, hidden = self.hide_words(ids, mask)
        added = vectors[:, None].expand(-1, ids.shape[1], -1)  # (B, T, D)
        if self.rules.fuse == "visible":
            added = added.masked_fill(hidden[..., None], 0)
        return model.text.conditioned(seen, mask, added, padding=everywhere), ids, hidden

    def hide_words(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T) ids with words hidden, and (B, T) bool, where they are."""
        draws = torch.rand(ids.shape, generator=self.generator(ids.device), device=ids.device)
        # the released code spares the last of all positions; per piece, every one counts
        length = self.length if self.rules.whole_words else ids.shape[1] + 2
        found = medvl.mask_whole_words(
            ids, mask & ~self.marks[ids], draws, continues=self.continuing, hide=self.hide,
            probability=self.text_ratio, length=length,
        )  # fmt: skip
        return found.ids, found.hidden

    def reconstruction(self, model: medvl.Model, batch: medvl.Batch) -> medvl.Reconstruction:
        """Removed patches and hidden words of a batch, and what is restored; normalised patches get their true mean and
        variance."""
        assert model.image is not None and model.image.grid is not None
        images = batch["image"]
        kept, removed = self.split(len(images), model.image.tokens, images.device)
        tokens = model.image.masked(images, kept)  # (B, P + n, D)
        shown, texts = None, None
        if self.weights["image"]:
            truth = self.large(batch)
            own = pixels_of(truth, self.scale * self.patch, removed, self.rules.channels)
            pixels = self.restore(tokens, kept, removed).float()
            pixels = unnormalised(pixels, own) if self.rules.normalise_targets else pixels
            restored = with_pixels(truth, self.scale * self.patch, removed, pixels)
            gone = torch.zeros(len(images), model.image.tokens, device=images.device).scatter(1, removed, 1.0).bool()
            shown = medvl.RestoredImages(images, restored, truth, gone.unflatten(1, model.image.grid))
        if self.weights["report"]:
            assert model.text is not None
            vectors = self.pooled(tokens[:, -kept.shape[1] :], self.report_projection)
            found, ids, hidden = self.read(model, batch["text.ids"], batch["text.mask"], vectors)
            guesses = self.vocabulary_head(found[hidden], model.text.table).argmax(1)
            texts = medvl.RestoredTexts(ids, hidden, ids.masked_scatter(hidden, guesses))
        return medvl.Reconstruction(shown, texts)

    def exports(self, model: medvl.Model) -> dict[str, nn.Module]:
        """The encoders and, where they are used, `image_decoder`, `report_projection` and `vocabulary_head`."""
        own = ("image_decoder", "report_projection", "vocabulary_head")
        return super().exports(model) | {name: getattr(self, name) for name in own if hasattr(self, name)}


def _among(numbers: tuple[int, ...], rows: int) -> Tensor:
    """(V,) bool, True at these ids."""
    found = torch.zeros(rows, dtype=torch.bool)
    found[list(numbers)] = True
    return found


def _check(objective: MRM, image_ratio: float, tokens: int) -> None:
    weights, text_ratio = objective.weights, objective.text_ratio
    problems = [f"{name}_weight must be at least 0, not {value}" for name, value in weights.items() if value < 0]
    if not any(weights.values()):
        problems.append("image_weight and report_weight are both 0, which leaves nothing to learn")
    if not 0 < image_ratio < 1 or not 0 < objective.removed < tokens:
        problems.append(f"image_ratio: {image_ratio} of {tokens} patches leaves none on one side")
    if not 0 < text_ratio <= 1:
        problems.append(f"text_ratio must be above 0 and at most 1, not {text_ratio}")
    if problems:
        raise medvl.ConfigError(problems)
