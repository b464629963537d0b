"""Where CheXpert lies on a disk: in one folder, or in the four batches that Stanford hands the full release out in."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from medvl.data.source import Source
from medvl.errors import DataError

WHERE = (
    "https://stanfordaimi.azurewebsites.net/datasets/8cbd9ed4-2eb9-4565-affc-111cf4f7ebe2 (register and accept the "
    "Stanford University Dataset Research Use Agreement); CheXpert-v1.0-small, the same images of lower resolution, "
    "has the same files"
)
FOLDERS = ("CheXpert-v1.0-small", "CheXpert-v1.0")
INDEX_BATCH = "CheXpert-v1.0 batch 1 (validate & csv)"
IMAGE_BATCHES = (
    "CheXpert-v1.0 batch 2 (train 1)",
    "CheXpert-v1.0 batch 3 (train 2)",
    "CheXpert-v1.0 batch 4 (train 3)",
)
TRAIN, VALID = "train.csv", "valid.csv"


class Layout:
    """Finds the files of CheXpert below `root` on first use.

    Args:
        root: the folder with `train.csv`, or the one above, which holds it as `CheXpert-v1.0-small`, `CheXpert-v1.0`
            or batches.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def home(self) -> Path:
        """The folder of `train.csv`.

        Raises:
            DataError: there is none, or more than one.
        """
        found = self._found()
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(str(folder) for folder in found)
            raise DataError(f"{self._root}: CheXpert stands there {len(found)} times. do: make root one of {listed}")
        raise DataError(
            f"{self._root}: there is no {TRAIN}, neither in it nor in {', '.join((*FOLDERS, INDEX_BATCH))}. do: make "
            f"root the folder of CheXpert, or obtain it: {WHERE}"
        )

    def index(self, name: str) -> Path:
        """`train.csv` or `valid.csv`.

        Raises:
            DataError: it is not there.
        """
        path = self.home / name
        if not path.is_file():
            raise DataError(f"{path}: there is no such file. do: obtain CheXpert: {WHERE}")
        return path

    def sources(self) -> list[Source]:
        """The files and folders, where they are or, where there are none, where the small release would put them."""
        home = next(iter(self._found()), self._root / FOLDERS[0])
        folders = [home / "train"] if home.name != INDEX_BATCH else [home.parent / name for name in IMAGE_BATCHES]
        return [
            Source(home / TRAIN, "images of the training set with their labels", WHERE),
            Source(home / VALID, "images of the validation set, labelled by radiologists", WHERE),
            *(Source(folder, "images (JPEG) of the training set", WHERE) for folder in folders),
            Source(home / "valid", "images (JPEG) of the validation set", WHERE),
        ]

    def _found(self) -> list[Path]:
        candidates = [self._root, *(self._root / name for name in (*FOLDERS, INDEX_BATCH))]
        return [folder for folder in candidates if (folder / TRAIN).is_file()]

    def image_path(self, reference: str) -> Path:
        """The file of a reference such as `train/patient00001/study1/view1_frontal.jpg`."""
        side, _, rest = reference.partition("/")
        if side == "train" and self.home.name == INDEX_BATCH:
            batch = self._batches.get(rest.partition("/")[0])
            return batch / rest if batch else self.home.parent / IMAGE_BATCHES[0] / rest
        return self.home / reference

    @cached_property
    def _batches(self) -> dict[str, Path]:
        """Patient's folder -> the batch that holds it; each batch's folders are listed once."""
        batches = [self.home.parent / name for name in IMAGE_BATCHES]
        return {patient.name: batch for batch in batches if batch.is_dir() for patient in batch.iterdir()}
