"""What a dataset is: a study table, and a way to decode one radiograph of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from medvl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa

    from medvl.data.decode import Decode
    from medvl.data.scaling import Fit
    from medvl.data.source import Source

IMAGE, PATIENT, STUDY, VIEW, SPLIT = "image", "patient", "study", "view", "split"
AGE, SEX, ORGAN = "age", "sex", "organ"
TEXT_PREFIX, LABEL_PREFIX = "text.", "label."
BOXES, QUESTIONS = "boxes", "questions"
QUESTION = "question"  # the text of a case that is a question (`medvl.data.question_table`)
SPLITS = ("train", "val", "test")

SplitBy = Literal["patient", "image", "question"]


class Dataset(ABC):
    """One source of studies. Construction reads nothing; `table` reads the index; `read_image` decodes.

    Keyword-only constructor parameters are the YAML's. `labels` and `sections` must follow from them alone,
    because `medvl check` uses them without reading data.

    Attributes:
        labels: label names, in order.
        sections: names of the text sections (`indication`, `findings`, ...), in order.
        official: the owner's counts of the whole release under these parameters: `images`, `studies`, `patients`, and
            `train`, `val`, `test` (images). `medvl data verify` compares them; empty where the owner states none.
        expectations: a paper's name -> images (or questions) in train, val and test as that paper counts them; what
            `expect: NAME` stands for.
        labels_from: sections that the labels were mined from by a labeler, and sections that repeat their words; a
            model that reads one of them reads the answers (`medvl.data.lints.mined_labels`). Empty where people
            labelled the images.
        asks: the table has `questions`, so that `text: question` can make each of them a case.
        masks: names that `read_mask` knows, in order; empty where the dataset has no masks.
        split_by: what the dataset's own split divides. By `patient`, one on two sides is an error; a split that divides
            images or questions may share patients, and each run says so.
        fake: `module:function` that writes a miniature in the official layout, or None:
            `function(out: Path, *, patients: int, seed: int) -> dict`, the `data:` parameters that read it. A writer
            that takes `like`, too, is given the `data:` parameters that it should imitate.
        smoke: parameters and what they are at most, or instead, in a smoke run (`medvl.config.smoke`).
    """

    labels: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    official: Mapping[str, int] = MappingProxyType({})
    expectations: Mapping[str, Mapping[str, int]] = MappingProxyType({})
    labels_from: tuple[str, ...] = ()
    asks: bool = False
    masks: tuple[str, ...] = ()
    split_by: SplitBy = "patient"
    fake: str | None = None
    smoke: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def table(self) -> pa.Table:
        """The canonical study table, one row per image, read anew at each call.

        Whoever wants to use it asks `medvl.data.study_table.open_table`, which keeps it on the disk.

        Columns: `image` (string: what `read_image` takes), `patient`, `study`, `view` (strings),
        `split` (`train`, `val`, `test`; the whole column is left out where the dataset has no split of its own),
        `text.SECTION` (string or null), `label.NAME` (int8: 1, 0, -1 uncertain, null not mentioned),
        and where there are any `age` (int16: whole years, null where unknown), `sex` (`F`, `M` or null), `organ`
        (string: what is shown, `chest`), `boxes` (list of {label, x, y, width, height}, fractions of the image's width
        and height, origin top left) and `questions` (list of {question, answer, kind, type}; `kind` is `closed` or
        `open`, `type` one or more names joined by `|`; it may be left out).

        Raises:
            DataError: an index file is missing or malformed; says which file and line, and what to do.
        """

    @abstractmethod
    def read_image(self, reference: str) -> np.ndarray:
        """The radiograph as uint8 (H, W), air dark, bone bright.

        Raises:
            DataError: the file is missing or cannot be decoded, with the reason.
        """

    def read_images(self, references: list[str]) -> list[np.ndarray | Exception]:
        """Several at once, an exception in the place of each that fails; override where a batch is cheaper."""
        images: list[np.ndarray | Exception] = []
        for reference in references:
            try:
                images.append(self.read_image(reference))
            except Exception as error:  # recorded by the store with its reason; policy decides
                images.append(error)
        return images

    def for_store(self, side: int, fit: Fit, decode: Decode) -> Dataset:
        """This dataset, giving images for squares of `side`, decoded as `decode` says.

        The store scales what it is given, so a dataset that decodes no files is right to give itself. One that does
        may decode fewer pixels than a file has, and give the finished square (`medvl.data.images.prepare_image`).
        """
        return self

    def missing(self, references: list[str]) -> list[int]:
        """Positions of the references that cannot be read because nothing is there; found without decoding.

        The store asks before hours of decoding. Override where images are files.
        """
        return []

    def read_mask(self, reference: str, label: str) -> np.ndarray:
        """Where a finding, one of `masks`, stands: bool (H, W) of the image as distributed; False where it is absent.

        Several threads may call at once.

        Raises:
            DataError: no such image or label, a mask that is not known, or a dataset without masks.
        """
        raise DataError(f"{type(self).__name__}: has no masks. do: choose a dataset with masks, or its boxes")

    def read_masks(self, references: list[str], label: str) -> list[np.ndarray]:
        """`read_mask` of several images; override where a batch is cheaper."""
        return [self.read_mask(reference, label) for reference in references]

    def sources(self) -> list[Source]:
        """The files and folders that the dataset is read from, for `medvl data doctor`; none where it needs none."""
        return []

    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash that changes whenever the table or the pixels could have changed."""

    def image_fingerprint(self) -> str:
        """A short hash that changes whenever the pixels could have changed; the decoded-image store is named by it.

        Override where labels or texts can change and the images stay: they need not be decoded again.
        """
        return self.fingerprint()

    def mask_fingerprint(self) -> str:
        """A short hash that changes whenever the masks could have changed; the mask store is named by it."""
        return self.fingerprint()

    def table_fingerprint(self) -> str:
        """A short hash that changes whenever the table could have changed, other than by a change of code.

        Override where `fingerprint` looks at every image: this one must take milliseconds.
        """
        return self.fingerprint()
