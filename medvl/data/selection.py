"""Which cases, labels and text a stage takes from a dataset: the keys of `data:` that all datasets share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args

from medvl.data.dataset import QUESTION, SPLITS
from medvl.data.decode import Decode
from medvl.data.label_policy import Blank, Policy, labels_of, policy_problems
from medvl.data.lints.finding import LINTS
from medvl.data.scaling import Fit
from medvl.data.texts import TextRule
from medvl.errors import ConfigError, unknown

if TYPE_CHECKING:
    from medvl.data.dataset import Dataset

T = TypeVar("T")
U = TypeVar("U")

Split = Literal["train", "val", "test"]
By = Literal["patient", "image"]
LABEL_KEYS = ("policy", "names", "blank")
ONLY_KEYS = ("view", "text")


class Selection:
    """The shared keys of an experiment's `data:` section.

    Args:
        split: the cases to learn from: train, val or test.
        text: the report section that becomes the text; no text where None. Or one made of several:
            `{longest: [findings, impression]}` is the one of most characters, `{first: [impression, findings]}` the
            first that is not blank, `{join: [findings, impression]}` both with a blank between them. `question` makes
            each question about an image a case of its own, its answer what can be learned.
        labels: a label policy (`medvl.data.label_policy`), or a mapping with `policy` (a name, or a mapping that gives
            each label one of its own), `names` (which labels, in what order; where left out those that the policy
            speaks of, or all) and `blank` (`zero` or `ignore`).
        mask: findings whose masks travel with the image, in order, where the objective reads masks; all that the
            dataset has where None.
        only: the cohort, in all splits: `{view: [AP, PA]}` keeps images of these views, `{text: present}` cases whose
            text is not blank.
        fraction: share of the split to learn from, in (0, 1]. Smaller ones are nested in larger ones of the same seed.
        fraction_by: draw that share of the patients, or of the images.
        splits: shares of patients in train, val and test, for datasets without a split of their own; 0.7, 0.1, 0.2
            where None.
        fit: how images become square (`medvl.data.scaling.square`).
        decode: how image files become pixels, where there is a choice (`medvl.data.decode.Decode`): `window`, `exact`,
            `jpeg2000`.
        least_answers: how often an answer must occur among the questions of the split to learn from to become a class.
        max_bad: largest share of unreadable images that is left out; 0 makes any an error.
        expect: numbers of cases (images, or questions) in splits, within the cohort, whatever fraction of them is
            taken; or the name of a paper whose numbers the dataset knows (`Dataset.expectations`). Other numbers are an
            error.
        accept: lints (`medvl.data.lints.finding.LINTS`) whose findings are known and meant, so that they are not
            repeated; `patient_on_two_sides`, too, which may be an error otherwise.

    Attributes:
        text_rule: the sections of `text` and what is made of them; None where there is no text.
        views: the views that `only` keeps; empty for all.
        with_text: whether cases without text are left out.
        asks: whether cases are questions.
        policy: the label policy, or a mapping of labels to policies.
        names: the labels asked for; None means all.
        blank: what becomes of findings that are not mentioned.

    Raises:
        ConfigError: names every value that is out of range or unknown.
    """

    def __init__(
        self,
        *,
        split: Split = "train",
        text: str | dict[str, tuple[str, ...]] | None = None,
        labels: Policy | dict[str, Any] = "positive_vs_rest",
        mask: str | tuple[str, ...] | None = None,
        only: dict[str, str | tuple[str, ...]] | None = None,
        fraction: float = 1.0,
        fraction_by: By = "patient",
        splits: dict[str, float] | None = None,
        fit: Fit = "crop",
        decode: dict[str, Any] | None = None,
        least_answers: int = 1,
        max_bad: float = 0.01,
        expect: dict[str, int] | str | None = None,
        accept: tuple[str, ...] = (),
    ) -> None:
        self.split, self.text, self.fit, self.max_bad = split, text, fit, max_bad
        self.fraction, self.fraction_by = fraction, fraction_by
        self.splits, self.expect = splits, expect or {}
        self.accept = tuple(accept)
        self.least_answers = least_answers
        self.mask: tuple[str, ...] | None = (mask,) if isinstance(mask, str) else mask
        chosen = (only or {}).get("view", ())
        self.views: tuple[str, ...] = (chosen,) if isinstance(chosen, str) else tuple(chosen)
        self.with_text = "text" in (only or {})
        given: Mapping[str, Any] = labels if isinstance(labels, Mapping) else {"policy": labels}
        self.policy = cast(Policy | dict[str, Policy], given.get("policy", "positive_vs_rest"))
        names = given.get("names")
        self.names: tuple[str, ...] | None = (names,) if isinstance(names, str) else tuple(names) if names else None
        self.blank = cast(Blank, given.get("blank", "zero"))
        problems = [*_label_problems(self, given), *_split_problems(self), *_only_problems(self, only or {})]
        self.decode = _parsed(partial(Decode.of, decode), Decode(), problems)
        self.text_rule = None if text is None else _parsed(partial(TextRule.of, text), None, problems)
        self.asks = self.text_rule is not None and QUESTION in self.text_rule.sections
        problems += _question_problems(self)
        problems += _unlisted("fit", fit, get_args(Fit)) + _unlisted("fraction_by", fraction_by, get_args(By))
        problems += [f"accept: {unknown('lint', name, LINTS)}" for name in self.accept if name not in LINTS]
        if not 0 < fraction <= 1:
            problems.append(f"fraction is {fraction:g}; a share in (0, 1] is needed, 0.1 for 10 %")
        if not 0 <= max_bad <= 1:
            problems.append(f"max_bad is {max_bad:g}; a share in [0, 1] is needed, 0.01 for 1 %")
        if problems:
            raise ConfigError(problems)

    def chosen_labels(self, known: Sequence[str]) -> tuple[str, ...]:
        """The labels to take of a dataset's `known` ones, in order; none under the policy `none`.

        Raises:
            ConfigError: one that the dataset does not have.
        """
        if self.policy == "none":
            return ()
        names = self.names or labels_of(self.policy) or tuple(known)
        problems = [unknown("label", name, known) for name in names if name not in known]
        if problems:
            raise ConfigError(problems)
        return names

    def chosen_masks(self, known: Sequence[str]) -> tuple[str, ...]:
        """The findings whose masks are taken of a dataset's `known` ones, in order.

        Raises:
            ConfigError: one that the dataset does not have.
        """
        names = tuple(known) if self.mask is None else self.mask
        problems = [unknown("mask", name, known) for name in names if name not in known]
        problems += [f"mask: '{name}' is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
        if problems:
            raise ConfigError(problems)
        return names

    def expected(self, presets: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
        """Numbers of cases by split, as `expect` says or as the preset of that name does.

        Raises:
            ConfigError: no preset of that name.
        """
        if not isinstance(self.expect, str):
            return self.expect
        if self.expect not in presets:
            raise ConfigError(f"expect: {unknown('preset', self.expect, presets)}")
        return presets[self.expect]

    def unfit(self, dataset: Dataset, name: str) -> list[str]:
        """What is asked for here and the dataset does not have, as far as its parameters tell; it reads nothing.

        Args:
            dataset: what is selected from.
            name: as the experiment calls it.
        """
        known = dataset.sections
        asked: tuple[str, ...] = () if self.text_rule is None or self.asks else self.text_rule.sections
        problems = [unknown("text section", section, known, of=name) for section in asked if section not in known]
        if self.asks and not dataset.asks:
            problems.append(f"'{name}' has no questions. do: choose another text ({', '.join(known) or 'it has none'})")
        for check in (
            partial(self.chosen_labels, dataset.labels),
            partial(self.chosen_masks, dataset.masks),
            partial(self.expected, dataset.expectations),
        ):
            try:
                check()
            except ConfigError as error:
                problems += error.problems
        return problems


def _parsed(parse: Callable[[], T], otherwise: U, problems: list[str]) -> T | U:
    """What `parse` gives; what it finds wrong joins the other problems."""
    try:
        return parse()
    except ConfigError as error:
        problems += error.problems
        return otherwise


def _unlisted(what: str, value: object, known: Sequence[str]) -> list[str]:
    return [] if value in known else [unknown(what, str(value), known)]


def _label_problems(selection: Selection, given: Mapping[str, Any]) -> list[str]:
    problems = [unknown("key of labels", key, LABEL_KEYS) for key in given if key not in LABEL_KEYS]
    wrong = policy_problems(selection.policy, selection.blank)
    names = selection.names or ()
    problems += [f"labels: '{name}' is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    spoken = None if wrong else labels_of(selection.policy)
    silent = [] if spoken is None else [name for name in names if name not in spoken]
    return problems + wrong + [unknown("label", name, spoken or (), of="the label policy") for name in silent]


def _only_problems(selection: Selection, only: Mapping[str, Any]) -> list[str]:
    problems = [unknown("key of only", key, ONLY_KEYS) for key in only if key not in ONLY_KEYS]
    if "view" in only and not selection.views:
        problems.append("only: view names no view. do: name some, e.g. {view: [AP, PA]}, or leave it out")
    if selection.with_text and only["text"] != "present":
        problems.append(f"only: text is '{only['text']}'; it can be 'present', which leaves out cases without text")
    if selection.with_text and selection.text is None:
        problems.append("only: text: present asks for text, and no `text` is chosen. do: say which, text: SECTION")
    return problems


def _question_problems(selection: Selection) -> list[str]:
    problems = []
    if selection.asks and selection.text != QUESTION:
        problems.append("text: a question is a case of its own and goes with no other text. do: text: question")
    if selection.asks and selection.with_text:
        problems.append("only: text: present leaves nothing out where the text is a question. do: leave it out")
    if selection.least_answers < 1:
        problems.append(f"least_answers is {selection.least_answers}; it must be at least 1")
    return problems


def _split_problems(selection: Selection) -> list[str]:
    problems = _unlisted("split", selection.split, SPLITS)
    counts = selection.expect if isinstance(selection.expect, dict) else {}
    for what, mapping in (("splits", selection.splits or {}), ("expect", counts)):
        problems += [f"{what}: {unknown('split', name, SPLITS)}" for name in mapping if name not in SPLITS]
    if selection.splits is not None:
        shares = selection.splits.values()
        if min(shares, default=0) < 0 or abs(sum(shares) - 1) > 1e-6:
            problems.append(f"splits: {dict(selection.splits)} are not shares that sum to 1")
    return problems
