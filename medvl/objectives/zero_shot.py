"""Zero-shot classification: a finding is there where the image lies nearer to what says so than to what denies it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.config.schema import Slot
from medvl.contract import DataSpec
from medvl.data.cases import TokenArrays
from medvl.errors import ConfigError, unknown
from medvl.models.base import Batch, Model, device_of
from medvl.objectives.base import Objective

SIDES = ("positive", "negative")


class ZeroShot(Objective):
    """Classifies with the space that images and texts share, after CheXzero (Tiu 2022, Methods); it learns nothing.

    Each finding has phrases that say it and phrases that deny it. The unit vectors of a side's phrases are averaged
    and made unit length again. The logit is the difference of the image's similarities to both sides, so that its
    sigmoid is the softmax over the pair. By default a label is its own phrase, and its denial `no LABEL` (CheXzero's
    pair); a label that begins with `No `, such as No Finding, is denied by the rest of it.

    Args:
        data: its labels are the findings.
        of: the objective that aligned images and texts, e.g. clip; `init: STAGE` beside `name` gives its weights.
        prompts: by finding, {positive: PHRASES, negative: PHRASES}, a phrase or a list of them each; what is left out
            is made by the templates.
        positive, negative: templates in which `{finding}` stands for the label.
        scale: what similarities are multiplied by. It changes no ranking; 1 as in CheXzero leaves probabilities near
            a half.

    Raises:
        ConfigError: `of` aligns nothing, the data has no labels, or prompts that name no finding or hold no phrase.
    """

    reads: ClassVar[tuple[str, ...]] = ("labels",)
    bears_uncertain = True
    predicts: ClassVar[tuple[str, ...]] = ("logits",)
    trains: ClassVar[bool] = False
    own_texts: ClassVar[bool] = True

    def __init__(
        self,
        data: DataSpec,
        *,
        of: Annotated[Objective, Slot("objective")],
        prompts: dict[str, Any] | None = None,
        positive: str = "{finding}",
        negative: str = "no {finding}",
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        _check(of, data, prompts or {}, positive, negative, scale)
        self.of = of
        self.needs, self.requires = of.needs, of.requires  # type: ignore[misc]  # of this one alone
        self.scale = scale
        self.phrases = {label: _phrases(label, prompts or {}, positive, negative) for label in data.labels}
        self._prompts: Tensor | None = None

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """{"logits": (B, K)}, of `batch["image"]` alone."""
        if self._prompts is None:  # once: nothing is trained, so they stay as they are
            self._prompts = self._embed_prompts(model)
        images = self.of.embed_images(model, batch).float()  # (B, D)
        positive, negative = self._prompts  # (K, D) each
        return {"logits": self.scale * (images @ (positive - negative).T)}

    def inherits(self) -> nn.Module:
        """The objective whose space is used."""
        return self.of

    @torch.no_grad()
    def _embed_prompts(self, model: Model) -> Tensor:
        """(2, K, D) unit vectors: what says each finding, and what denies it."""
        assert model.text is not None  # an objective that aligns needs texts
        sides = [self.phrases[label][side] for side in SIDES for label in self.phrases]
        tokenizer = model.text.tokenizer
        tokens = TokenArrays(*tokenizer.encode([phrase for side in sides for phrase in side]), tokenizer.pad)
        ids, mask = tokens.batch(np.arange(sum(map(len, sides))))
        device = device_of(model)
        texts = {"text.ids": torch.from_numpy(ids).to(device), "text.mask": torch.from_numpy(mask).to(device)}
        parts = self.of.embed_texts(model, texts).float().split([len(side) for side in sides])
        averaged = torch.stack([F.normalize(part.mean(0), dim=0) for part in parts])
        return averaged.unflatten(0, (len(SIDES), len(self.phrases)))


def _phrases(label: str, prompts: dict[str, Any], positive: str, negative: str) -> dict[str, list[str]]:
    """Side -> phrases of a finding."""
    denied = label[len("No ") :] if label.lower().startswith("no ") else negative.format(finding=label)
    given = {"positive": positive.format(finding=label), "negative": denied} | prompts.get(label, {})
    return {side: [given[side]] if isinstance(given[side], str) else list(given[side]) for side in SIDES}


def _check(of: Objective, data: DataSpec, prompts: dict[str, Any], positive: str, negative: str, scale: float) -> None:
    problems = []
    if not of.aligns:
        problems.append(
            "of: this objective gives images and texts no common space. do: take one that does, e.g. clip, or a total "
            "with exactly one such term"
        )
    if not data.labels:
        problems.append("objective 'zero_shot' needs labels to look for, and this stage's data has none")
    for side, template in zip(SIDES, (positive, negative), strict=True):
        if template.replace("{finding}", "").count("{") or "{finding}" not in template:
            problems.append(
                f"{side}: a template holds {{finding}} where the label goes, and no other braces: {template!r}"
            )
    if scale <= 0:
        problems.append(f"scale must be above 0, not {scale:g}")
    for label, sides in prompts.items():
        if label not in data.labels:
            problems.append(f"prompts: {unknown('label', str(label), data.labels)}")
        problems += _side_problems(label, sides)
    if problems:
        raise ConfigError(problems)


def _side_problems(label: str, sides: Any) -> list[str]:
    if not isinstance(sides, dict):
        return [f"prompts of '{label}': expected {{positive: PHRASES, negative: PHRASES}}, found {sides!r}"]
    problems = [f"prompts of '{label}': {unknown('side', str(side), SIDES)}" for side in sides if side not in SIDES]
    for side, phrases in sides.items():
        several = [phrases] if isinstance(phrases, str) else phrases
        if not isinstance(several, list) or not several or not all(isinstance(each, str) for each in several):
            problems.append(f"prompts of '{label}', {side}: expected a phrase or a list of phrases, found {phrases!r}")
    return problems
