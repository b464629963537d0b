"""`chexpert`: Stanford's 223,648 frontal and lateral radiographs with labels mined from their reports."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa

from medvl.data.dataset import IMAGE, PATIENT, SPLIT, SPLITS, VIEW
from medvl.data.source import Source
from medvl.datasets.chexpert.cells import LABELS, read_index, references_of
from medvl.datasets.chexpert.layout import TRAIN, VALID, Layout
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.split_draws import drawn_images, drawn_patients
from medvl.datasets.split_lists import NOWHERE, split_names, splits_in_lists
from medvl.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

Protocol = Literal["official", "mrm", "by_patient"]
VALIDATION = {"official": 0, "mrm": 5000, "by_patient": 0.1}  # nothing is drawn; images; share of the patients
WHERE_LISTS = "do: obtain it from https://github.com/RL4M/MRM-pytorch (DatasetsSplits/CheXpert)"
TRAIN_PLACE, VAL_PLACE, TEST_PLACE = range(len(SPLITS))


def by_whole_patients(protocol: Protocol) -> Protocol:
    """What a miniature can follow: a published list names none of its images, nor has it 5,000 to draw."""
    return "by_patient" if protocol == "mrm" else protocol


class CheXpert(ImageFiles):
    """CheXpert (Irvin et al. 2019), small or full, as Stanford distributes it; for research under Stanford's agreement.

    From https://stanfordmlgroup.github.io/competitions/chexpert/. What the files do, and what this reader does:

    - `Path` starts with the release's name: it is cut off, so `root` may be the release's folder or the one above. The
      four batches of the full release are read as they unpack.
    - The number in `view1_frontal` says nothing of the view: `Frontal/Lateral` and `AP/PA` do. 17 rows marked Frontal
      have a lateral's projection (LL, RL); their view is `FRONTAL`.
    - Labels are a study's, repeated on each of its images, 1, 0, -1 (uncertain) or blank; `No Finding` is 1 or blank.
      Zeros are rare, so blanks are usually taken for 0 (`medvl.data.label_policy`). They are found by name.
    - `valid.csv`: 234 images of 200 patients, read by radiologists, 0 or 1 throughout; Fracture has no positive, Lung
      Lesion and Pleural Other one each, so their AUROC is undefined or means little.
    - Age 0 and sex `Unknown` become null; ages are capped at 90.

    Args:
        root: the folder of the release, or the one above.
        protocol: `official`: train.csv is train, valid.csv is val, and there is no test. The others take valid.csv for
            test and val from train.csv: `mrm` by image, as MRM, GLoRIA and their followers do, which puts most of
            val's patients in train as well (`split_by` is `image`, and every run notes it); `by_patient` whole
            patients.
        validation: how much becomes val: a number of images under `mrm` (5,000 where None), a share of the patients
            under `by_patient` (0.1 where None).
        seed: of that draw.
        lists: under `mrm`, a folder with `val_list.txt`, a line an image: the published validation set in place of a
            drawn one.
        train_list: the list in that folder of the images to learn from, e.g. `train_1.txt`; other images are left out.
            All that val does not hold where None.

    Raises:
        ConfigError: parameters that do not go together, or are out of range.
    """

    labels = LABELS
    fake = "medvl.datasets.fakes.chexpert:write"
    smoke = MappingProxyType({"protocol": by_whole_patients, "validation": None, "train_list": None})
    expectations: Mapping[str, Mapping[str, int]] = {
        "official": {"train": 223_414, "val": 234},
        "mrm": {"train": 218_414, "val": 5_000, "test": 234},
    }

    def __init__(
        self,
        *,
        root: Path,
        protocol: Protocol = "official",
        validation: float | None = None,
        seed: int = 0,
        lists: Path | None = None,
        train_list: str | None = None,
    ) -> None:
        self.root, self._layout = Path(root), Layout(Path(root))
        self._protocol, self._seed = protocol, seed
        self._lists, self._train_list = Path(lists) if lists else None, train_list
        problems = _problems(protocol, validation, lists, train_list)
        if problems:
            raise ConfigError(problems)
        self._validation = VALIDATION[protocol] if validation is None else validation
        self.split_by = "image" if protocol == "mrm" else "patient"
        self.official = {"images": 223_648, "patients": 64_740, "studies": 187_841}
        if protocol == "official":
            self.official |= self.expectations["official"]

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        train, valid = (read_index(self._layout.index(name)) for name in (TRAIN, VALID))
        table = pa.concat_tables([train, valid])
        splits = np.full(len(table), TRAIN_PLACE, np.int8)
        splits[len(train) :] = VAL_PLACE if self._protocol == "official" else TEST_PLACE
        splits[: len(train)] = self._train_splits(train)
        table = table.add_column(table.column_names.index(VIEW) + 1, SPLIT, split_names(splits))
        return table.filter(pa.array(splits != NOWHERE))

    def _train_splits(self, train: pa.Table) -> np.ndarray:
        """(N,) the split of each image of train.csv, train or val."""
        if self._protocol == "official":
            return np.full(len(train), TRAIN_PLACE, np.int8)
        if self._lists is not None:
            splits = splits_in_lists(train.column(IMAGE), self._list_files(), where=WHERE_LISTS, spell=references_of)
            return splits if self._train_list else np.where(splits == NOWHERE, TRAIN_PLACE, splits).astype(np.int8)
        if self._protocol == "mrm":
            drawn = drawn_images(train.column(IMAGE), int(self._validation), self._seed)
        else:
            drawn = drawn_patients(train.column(PATIENT), self._validation, self._seed)
        return np.where(drawn, VAL_PLACE, TRAIN_PLACE).astype(np.int8)

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`."""
        return [self._layout.home / TRAIN, self._layout.home / VALID, *self._list_files().values()]

    def _list_files(self) -> dict[str, Path]:
        """Split -> its published list; nothing where none are used."""
        if self._lists is None:
            return {}
        train = {} if self._train_list is None else {"train": self._lists / self._train_list}
        return {"val": self._lists / "val_list.txt"} | train

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._protocol, self._validation, self._seed, self._lists is not None, self._train_list

    def image_path(self, reference: str) -> Path:
        """See `ImageFiles.image_path`."""
        return self._layout.image_path(reference)

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        lists = self._list_files().values()
        return self._layout.sources() + [Source(path, "a published list of images", WHERE_LISTS) for path in lists]


def _problems(protocol: str, validation: float | None, lists: Path | None, train_list: str | None) -> list[str]:
    if protocol not in get_args(Protocol):
        return [f"chexpert: {unknown('protocol', protocol, get_args(Protocol))}"]
    problems = []
    if lists is not None and protocol != "mrm":
        problems.append(f"chexpert: lists are for protocol mrm, not {protocol}")
    if train_list is not None and lists is None:
        problems.append("chexpert: train_list names a file in the folder `lists`, which is not given")
    if validation is None:
        return problems
    if protocol == "official":
        problems.append("chexpert: under protocol official val is valid.csv; `validation` is for mrm and by_patient")
    if lists is not None:
        problems.append("chexpert: validation says how much to draw, and `lists` what was drawn; give one of them")
    if protocol == "mrm" and not (validation >= 1 and float(validation).is_integer()):
        problems.append(
            f"chexpert: validation is {validation:g}; under mrm it is a number of images, 5000 in the paper"
        )
    if protocol == "by_patient" and not 0 < validation < 1:
        problems.append(
            f"chexpert: validation is {validation:g}; under by_patient it is a share of the patients, as 0.1"
        )
    return problems
