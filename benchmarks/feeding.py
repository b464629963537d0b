"""Images per second: medvl's Feeder beside a torch DataLoader that hands over float samples one by one.

    python benchmarks/feeding.py --images 4000 --side 256 --size 224

Both read the same memory-mapped uint8 file of decoded radiographs and give the same shape to the model. Two pairs:

- host: what it costs to bring radiographs to where they are augmented. Feeder without augmentation, against a
  DataLoader that collates float32 samples of three channels.
- augmented: flip, rotation and crop included. Feeder on `--device`, against torchvision transforms per sample.

The contenders take turns within one process; the figure to trust is the median of the ratios of a round. On a busy
machine without a GPU set OMP_NUM_THREADS=1: threads of one operation that wait for each other cost more than they give.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from medvl.data.feed import CaseArrays, Feeder
from medvl.data.view import View
from medvl.data.views import CxrFinetune


class Mapped:
    """A memory-mapped array of radiographs."""

    def __init__(self, path: Path) -> None:
        self.images = np.load(path, mmap_mode="r")

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.images[rows]


class Untouched(View):
    """Hands the gathered uint8 batch on: the cost of feeding alone."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.size = self.source = side

    def draw(self, random):
        return {}

    def forward(self, images, parameters):
        return images.unsqueeze(1)

    def fixed(self):
        return self


class PerSample(Dataset):
    """One radiograph at a time, as float32 of three channels."""

    def __init__(self, path: Path, transform: transforms.Compose) -> None:
        self.images = np.load(path, mmap_mode="r")
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.images[index].copy())


three_channels = transforms.Lambda(lambda tensor: tensor.expand(3, -1, -1))


def collated() -> transforms.Compose:
    return transforms.Compose([transforms.ToTensor(), three_channels])


def augmented(size: int) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(10, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.RandomCrop(size),
            transforms.ToTensor(),
            transforms.Normalize([0.5], [0.25]),
            three_channels,
        ]
    )


def feeder(path: Path, view: View, settings: argparse.Namespace) -> Iterator[object]:
    cases = CaseArrays(rows=np.arange(settings.images), images=Mapped(path))
    return Feeder(cases, {"image": view}, batch_size=settings.batch, device=settings.device, seed=0).train()


def loader(path: Path, transform: transforms.Compose, settings: argparse.Namespace) -> Iterator[object]:
    batches = DataLoader(
        PerSample(path, transform), settings.batch, shuffle=True, drop_last=True, num_workers=2,
        pin_memory=settings.device != "cpu", persistent_workers=True,
    )  # fmt: skip
    while True:
        for batch in batches:
            yield batch.to(settings.device, non_blocking=True)


def rate(batches: Iterator[object], settings: argparse.Namespace) -> float:
    """Images per second over `--batches` batches, after two that start threads and workers and fill their queues."""
    with closing(batches):  # type: ignore[type-var]
        list(islice(batches, 2 + settings.batches // 4))
        start = time.perf_counter()
        for _ in islice(batches, settings.batches):
            pass
        if settings.device != "cpu":
            torch.cuda.synchronize()
        return settings.batches * settings.batch / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=20, help="timed in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    settings = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        shape = (settings.images, settings.side, settings.side)
        np.save(path, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        view = CxrFinetune(size=settings.size, crop=settings.size / settings.side)
        pairs = {
            "host": (
                lambda: feeder(path, Untouched(settings.side), settings),
                lambda: loader(path, collated(), settings),
            ),
            "augmented": (
                lambda: feeder(path, view, settings),
                lambda: loader(path, augmented(settings.size), settings),
            ),
        }
        for name, (ours, theirs) in pairs.items():
            rounds = [(rate(ours(), settings), rate(theirs(), settings)) for _ in range(settings.rounds)]
            ratio = statistics.median(a / b for a, b in rounds)
            feeders, loaders = (statistics.median(side) for side in zip(*rounds, strict=True))
            print(f"{name:10} Feeder {feeders:9,.0f}/s   DataLoader {loaders:9,.0f}/s   ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
