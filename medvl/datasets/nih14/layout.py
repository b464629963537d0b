"""Where NIH ChestX-ray14 lies on a disk: index files of three releases, images in twelve folders or in one."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from medvl.data.source import Source
from medvl.errors import DataError

WHERE = (
    "https://nihcc.app.box.com/v/ChestXray-NIHCC (free; cite Wang et al., CVPR 2017, and name the NIH Clinical Center)"
)
WHERE_SAMPLE = "https://www.kaggle.com/datasets/nih-chest-xrays/sample"
INDEXES = {
    "v2020": "Data_Entry_2017_v2020.csv",
    "v1": "Data_Entry_2017.csv",
    "sample": "sample_labels.csv",
}
TRAIN_VAL_LIST, TEST_LIST, BOX_LIST = "train_val_list.txt", "test_list.txt", "BBox_List_2017.csv"


class Layout:
    """Finds the files below `root`, unpacked as they are or gathered in one folder.

    Args:
        root: the folder with the index file.
        release: which index, a key of `INDEXES`.
    """

    def __init__(self, root: Path, release: str) -> None:
        self._root, self._release = root, release

    @property
    def index(self) -> Path:
        """The index file, packed or not."""
        plain = self._root / INDEXES[self._release]
        packed = plain.with_name(plain.name + ".gz")
        return packed if packed.is_file() and not plain.is_file() else plain

    def require_index(self) -> Path:
        """The index file.

        Raises:
            DataError: it is not there; names the release that is, if any.
        """
        if self.index.is_file():
            return self.index
        others = [release for release in INDEXES if Layout(self._root, release).index.is_file()]
        do = f"set release: {others[0]}, whose index is there, or " if others else ""
        raise DataError(f"{self.index}: there is no such file. do: {do}obtain it: {self._where}")

    @property
    def boxes(self) -> Path:
        """The file of boxes, which need not be there."""
        return self._root / BOX_LIST

    @property
    def lists(self) -> dict[str, Path]:
        """The owner's split: `train` (to be divided into train and val) and `test`."""
        return {"train": self._root / TRAIN_VAL_LIST, "test": self._root / TEST_LIST}

    def image_path(self, name: str) -> Path:
        """The file of an image such as `00000001_000.png`."""
        return self._folder_of.get(name, self._root / "images") / name

    @cached_property
    def _folder_of(self) -> dict[str, Path]:
        """Image -> its folder; each folder is listed once."""
        numbered = sorted(self._root.glob("images_*/images")) + sorted(self._root.glob("images_*"))
        folders = [folder for folder in (*numbered, self._root / "images", self._root) if folder.is_dir()]
        found: dict[str, Path] = {}
        for folder in reversed(folders):  # the first in the list wins
            with os.scandir(folder) as entries:
                found.update((entry.name, folder) for entry in entries if entry.name.endswith(".png"))
        return found

    def sources(self) -> list[Source]:
        """The files and folders of the release; what is not needed adds boxes."""
        numbered = sorted(self._root.glob("images_*"))
        return [
            Source(self.index, "images with their findings and patients", self._where),
            Source(numbered[0] if numbered else self._root / "images", "the images (PNG)", self._where),
            Source(self.boxes, "984 boxes on 880 images of the test list", WHERE, needed=False),
        ]

    @property
    def _where(self) -> str:
        return WHERE_SAMPLE if self._release == "sample" else WHERE
