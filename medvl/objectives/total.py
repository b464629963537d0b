"""A weighted sum of objectives over shared encoders: joint methods need no class of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, TypeVar

from torch import Tensor, nn

from medvl.config.schema import Slot
from medvl.contract import TEXT_IDS
from medvl.errors import ConfigError, nearest
from medvl.models.base import Batch, Model
from medvl.models.passes import shared_passes
from medvl.objectives.base import Objective

Value = TypeVar("Value")
TERMS = "terms"  # the attribute that holds the terms, and so the beginning of their tensors' names


class Total(Objective):
    """Sums any objectives, each with its weight, over the encoders and the fusion of one model.

    SLIP (Mu 2022, section 3) is the total of a language-image term and a self-supervised one. Each term reads its own
    views and keeps its own heads and queues; terms that name the same view or field share it, and the encoder's pass
    over it. Where terms compare cases with each other, accumulation keeps the whole batch's loss of those. Losses are
    named `TERM.LOSS`, and what a term exports beside the model's own slots `TERM.EXPORT`.

    Args:
        terms: objectives by name; a name is letters, digits and underscores.
        weights: factor of a term's losses, at least 0; 1 where it is left out.

    Raises:
        ConfigError: no terms, a name that cannot be one, a weight of no term or below 0, or two terms that predict
            the same thing.
    """

    def __init__(
        self, *, terms: Annotated[dict[str, Objective], Slot("objective")], weights: dict[str, float] | None = None
    ) -> None:
        super().__init__()
        weights = weights or {}
        _check(terms, weights)
        self.terms = nn.ModuleDict(terms)
        self.weights = {name: weights.get(name, 1.0) for name in terms}
        each = list(terms.values())
        # of this total alone: the terms of another read other views
        self.views = _merged(term.views for term in each)  # type: ignore[misc]
        self.reads = _merged(term.reads for term in each)  # type: ignore[misc]
        self.predicts = _merged(term.predicts for term in each)  # type: ignore[misc]
        self.dear = _merged(term.dear for term in each)  # type: ignore[misc]
        self.needs = _merged(term.needs for term in each)
        slots = _merged(tuple(term.requires) for term in each)
        self.requires = {  # type: ignore[misc]
            slot: _merged(term.requires.get(slot, ()) for term in each) for slot in slots
        }
        self.compares = any(term.compares for term in each)  # type: ignore[misc]
        self.bears_uncertain = all(term.bears_uncertain for term in each if "labels" in term.reads)
        self.tells_uncertain = any(term.tells_uncertain for term in each)
        self.aligns = sum(term.aligns for term in each) == 1  # type: ignore[misc]
        self.scores_pairs = sum(term.scores_pairs for term in each) == 1  # type: ignore[misc]

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Every term's losses times its weight."""
        with self._sharing(batch):
            return self.compare(self.embed(model, batch)) | self.alone(model, batch)

    def embed(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Under `TERM.NAME` what the terms that compare will compare."""
        with self._sharing(batch):
            return {
                f"{name}.{part}": value
                for name, term in self._named()
                if term.compares
                for part, value in term.embed(model, batch).items()
            }

    def compare(self, embedded: dict[str, Tensor]) -> dict[str, Tensor]:
        """The losses of the terms that compare, times their weights."""
        losses: dict[str, Tensor] = {}
        for name, term in self._named():
            if term.compares:
                losses |= self._weighted(name, term.compare(_under(name, embedded)))
        return losses

    def alone(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """The losses of the other terms, and what those that compare lose beside, times their weights."""
        losses: dict[str, Tensor] = {}
        with self._sharing(batch):
            for name, term in self._named():
                losses |= self._weighted(name, (term.alone if term.compares else term)(model, batch))
        return losses

    def embed_images(self, model: Model, batch: Batch) -> Tensor:
        """That of the one term that aligns images and texts: (B, D)."""
        return self._aligning().embed_images(model, batch)

    def embed_texts(self, model: Model, batch: Batch) -> Tensor:
        """That of the one term that aligns images and texts: (B, D)."""
        return self._aligning().embed_texts(model, batch)

    def halves(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Those of the one term that scores pairs."""
        return self._scoring().halves(model, batch)

    def score_pairs(self, model: Model, halves: dict[str, Tensor]) -> Tensor:
        """That of the one term that scores pairs: (P,)."""
        return self._scoring().score_pairs(model, halves)

    def before_step(self, model: Model) -> None:
        """That of every term, in order."""
        for term in self._each():
            term.before_step(model)

    def after_step(self, model: Model) -> None:
        """That of every term, in order."""
        for term in self._each():
            term.after_step(model)

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """What all terms give of what is wanted."""
        given = []
        with self._sharing(batch):
            for term in self._each():
                if term.predicts and self.wants(*term.predicts):
                    term.wanted = self.wanted
                    given.append(term.predict(model, batch))
        return {name: value for one in given for name, value in one.items()}

    def cautions(self, model: Model) -> dict[str, str]:
        """Those of all terms, which predict different things."""
        return {output: caution for term in self._each() for output, caution in term.cautions(model).items()}

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The model's slots, and under `TERM.NAME` what else each term exports."""
        slots = super().exports(model)
        own = {
            f"{name}.{export}": module
            for name, term in self._named()
            for export, module in term.exports(model).items()
            if module is not slots.get(export)
        }
        return slots | own

    def _each(self) -> list[Objective]:
        return list(self.terms.values())  # type: ignore[arg-type]  # a ModuleDict forgets what it holds

    def _named(self) -> Iterable[tuple[str, Objective]]:
        return zip(self.terms, self._each(), strict=True)

    def _weighted(self, name: str, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        return {f"{name}.{loss}": self.weights[name] * value for loss, value in losses.items()}

    def _aligning(self) -> Objective:
        (term,) = (term for term in self._each() if term.aligns)  # `aligns` says that there is one
        return term

    def _scoring(self) -> Objective:
        (term,) = (term for term in self._each() if term.scores_pairs)  # `scores_pairs` says that there is one
        return term

    def _sharing(self, batch: Batch) -> AbstractContextManager[None]:
        """One pass over every view and text of the batch, for all terms that read it."""
        return shared_passes(
            (batch[name], term.needs)
            for term in self._each()
            for name in (*term.views, TEXT_IDS)
            if name in batch and term.needs
        )


def take_term(tensors: Mapping[str, Value], term: str) -> dict[str, Value]:
    """What belongs to one term, by the term's own names; empty where there is no such term, or it has no tensors.

    Args:
        tensors: of a total, by name (`terms.matching.head.weight`).
        term: its name; `OUTER.INNER` is a term of a total that is itself a term.
    """
    prefix = "".join(f"{TERMS}.{name}." for name in term.split("."))
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def terms_of(tensors: Iterable[str]) -> list[str]:
    """The terms that have tensors, from the names of a total's tensors, in order."""
    named = (name.split(".") for name in tensors)
    return list(dict.fromkeys(parts[1] for parts in named if parts[0] == TERMS and len(parts) > 2))


def _under(name: str, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of `NAME.PART`, by part."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _merged(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All of them, once each, in order."""
    return tuple(dict.fromkeys(name for part in names for name in part))


def _check(terms: dict[str, Objective], weights: dict[str, float]) -> None:
    problems = []
    if not terms:
        problems.append("objective 'total' needs terms, e.g. terms: {first: {name: moco}, second: {name: multilabel}}")
    taken = dir(nn.ModuleDict)  # torch stores terms as attributes
    for name in terms:
        if not name.isidentifier() or name in taken:
            problems.append(f"'{name}' cannot be a term's name: take letters, digits and underscores, e.g. {name}_term")
    for name, weight in weights.items():
        if name not in terms:
            problems.append(f"weights: no term is called '{name}'.{nearest(name, terms)} terms: {', '.join(terms)}")
        elif weight < 0:
            problems.append(f"weights: that of '{name}' must be at least 0, not {weight}")
    predicted: dict[str, str] = {}
    for name, term in terms.items():
        for prediction in term.predicts:
            first = predicted.setdefault(prediction, name)
            if first != name:
                problems.append(
                    f"terms '{first}' and '{name}' both predict {prediction}, and evaluators could not tell which. "
                    "keep one of them"
                )
    if problems:
        raise ConfigError(problems)
