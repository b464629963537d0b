"""`nih14`: the 112,120 frontal radiographs of the NIH Clinical Center, with fourteen findings mined from reports."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa

from medvl.data.dataset import BOXES, IMAGE, PATIENT, SPLIT, SPLITS, VIEW
from medvl.data.source import Source
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.nih14.cells import LABELS, read_boxes, read_index
from medvl.datasets.nih14.layout import WHERE, Layout
from medvl.datasets.split_draws import drawn_patients
from medvl.datasets.split_lists import NOWHERE, split_names, splits_in_lists
from medvl.errors import ConfigError, DataError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

Protocol = Literal["official", "chexnet", "mrm", "drawn"]
Release = Literal["v2020", "v1", "sample"]
VALIDATION = 0.1  # share of the official train_val list's patients
WHERE_LISTS = (
    "do: take the three lists from https://github.com/RL4M/MRM-pytorch (DatasetsSplits/NIH_ChestX-ray) or "
    "https://github.com/arnoweng/CheXNet (ChestX-ray14/labels) and name their folder in `lists`"
)


def without_lists(protocol: Protocol) -> Protocol:
    """What a miniature can follow: a published list names none of its images."""
    return "official" if protocol in ("chexnet", "mrm") else protocol


class NIH14(ImageFiles):
    """NIH ChestX-ray14 (Wang et al. 2017), or its Kaggle sample of 5,606 images; free to use with citation.

    From https://nihcc.app.box.com/v/ChestXray-NIHCC. What the files do, and what this reader does:

    - Findings are joined by `|` and spelled with an underscore in `Pleural_Thickening`. What is not named is 0: there
      is neither uncertain nor blank. `No Finding`, never combined, is all fourteen 0, and no label of its own.
    - The second index, v2020, gives 181 images more findings and a quarter of the patients other ages; `release` says
      which is read. Ages are numbers or texts (`060Y`, `013M`) of up to 411 years; impossible ones become null.
    - Two splits circulate, of which only the owner's has an owner: only 5,213 of the 22,433 test images of CheXNet's
      are in the owner's test list.
    - The follow-up number is not the one in the image's name; with the patient's it names the study.
    - Boxes are on the 1024 x 1024 original, spell Infiltration `Infiltrate`, and are all of test images.
    - Some images are RGBA; images lie in `images_001/images` to `images_012/images`, or in one folder.

    Args:
        root: the folder with the index file, lists and images.
        release: the index: `v2020` or `v1` of the owner, `sample` of Kaggle.
        protocol: `official`: the owner's train_val and test lists, val taken from train_val by patient. `chexnet` and
            `mrm`: the 78,468 / 11,219 / 22,433 lists of those papers, from the folder `lists`. `drawn`: no split, so
            that the selection's `splits` draws one, 70 / 10 / 20 by patient if nothing else is said.
        validation: share of train_val's patients that becomes val under `official`; 0 leaves val empty.
        seed: of that draw.
        lists: the folder of `train_list.txt`, `val_list.txt` and `test_list.txt`, a line an image, labels behind it
            not read.
        train_list: the list of images to learn from, e.g. MRM's `train_1.txt`; images in no list are left out.

    Raises:
        ConfigError: parameters that do not go together, or are out of range.
    """

    labels = LABELS
    fake = "medvl.datasets.fakes.nih14:write"
    smoke = MappingProxyType({"protocol": without_lists})
    expectations: Mapping[str, Mapping[str, int]] = {
        "official": {"test": 25_596},
        "chexnet": {"train": 78_468, "val": 11_219, "test": 22_433},
        "mrm": {"train": 78_468, "val": 11_219, "test": 22_433},
    }

    def __init__(
        self,
        *,
        root: Path,
        release: Release = "v2020",
        protocol: Protocol = "official",
        validation: float = VALIDATION,
        seed: int = 0,
        lists: Path | None = None,
        train_list: str = "train_list.txt",
    ) -> None:
        self.root, self._release, self._protocol = Path(root), release, protocol
        self._validation, self._seed = validation, seed
        self._published, self._train_list = Path(lists) if lists else None, train_list
        problems = _problems(release, protocol, validation, self._published)
        if problems:
            raise ConfigError(problems)
        self._layout = Layout(self.root, release)
        self.official = {"images": 5_606} if release == "sample" else {"images": 112_120, "patients": 30_805}
        if release != "sample":
            self.official |= self.expectations.get(protocol, {})

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        table = read_index(self._layout.require_index())
        if self._layout.boxes.is_file():
            table = table.append_column(BOXES, read_boxes(self._layout.boxes, table.column(IMAGE)))
        if self._protocol == "drawn":
            return table
        where = f"do: obtain it: {WHERE}" if self._protocol == "official" else WHERE_LISTS
        splits = splits_in_lists(table.column(IMAGE), self._lists(), where=where)
        if self._protocol == "official":
            self._require_all(splits)
            drawn = drawn_patients(table.column(PATIENT), self._validation, self._seed)
            splits[drawn & (splits == SPLITS.index("train"))] = SPLITS.index("val")
        table = table.add_column(table.column_names.index(VIEW) + 1, SPLIT, split_names(splits))
        return table.filter(pa.array(splits != NOWHERE))

    def _require_all(self, splits: np.ndarray) -> None:
        left = int((splits == NOWHERE).sum())
        if left:
            names = " and ".join(str(path) for path in self._lists().values())
            raise DataError(f"{left} images of {self._layout.index} are in neither of {names}. do: fetch them again")

    def _lists(self) -> dict[str, Path]:
        """Split -> list of its images; under `official`, train's is still to be divided."""
        if self._protocol == "official":
            return self._layout.lists
        if self._published is None:
            return {}
        names = {"train": self._train_list, "val": "val_list.txt", "test": "test_list.txt"}
        return {split: self._published / name for split, name in names.items()}

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`."""
        return [self._layout.index, self._layout.boxes, *self._lists().values()]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._release, self._protocol, self._validation, self._seed

    def image_path(self, reference: str) -> Path:
        """See `ImageFiles.image_path`."""
        return self._layout.image_path(reference)

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        where = WHERE if self._protocol == "official" else WHERE_LISTS.removeprefix("do: ")
        lists = [Source(path, f"names of the images of {split}", where) for split, path in self._lists().items()]
        return self._layout.sources() + lists


def _problems(release: str, protocol: str, validation: float, lists: Path | None) -> list[str]:
    problems = []
    for what, value, known in (("release", release, get_args(Release)), ("protocol", protocol, get_args(Protocol))):
        if value not in known:
            problems.append(f"nih14: {unknown(what, value, known)}")
    published = protocol in ("chexnet", "mrm")
    if published and lists is None:
        problems.append(f"nih14: protocol {protocol} reads published lists. {WHERE_LISTS}")
    if lists is not None and not published:
        problems.append(f"nih14: lists are for the protocols chexnet and mrm, not {protocol}")
    if not 0 <= validation < 1:
        problems.append(f"nih14: validation is {validation:g}; a share of the patients in [0, 1) is needed, as 0.1")
    return problems
