"""What a radiograph costs on its way to the model: medvl beside the five papers' own way, on this machine.

    OMP_NUM_THREADS=1 python benchmarks/inputs.py

The papers' repositories decode the original file and transform it sample by sample, in every epoch; that way is stated
again here with Pillow and torchvision, on JPEGs made for the purpose with the sizes in pixels and bytes of the real
ones. medvl feeds from the decoded-image store (`prepare`, paid once, is not counted), in two ways: a batch augmented
on the CPU, and a uint8 batch as it is handed to a device that augments. Texts are left out on both sides.

Contenders take turns in one process. The figures are CPU time per sample, median of the rounds, and the median of the
ratios of a round, which is the one to trust. The last part sets the gather beside a plain copy of as many bytes, and
feeding beside a torch DataLoader that hands over float32 samples of three channels, its worker's time included.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision import transforms
from torchvision.transforms import InterpolationMode

import medvl
from medvl.data.cases import CaseArrays
from medvl.data.feed import Feeder
from medvl.data.shards import open_shard
from medvl.data.store import ImageStore, build_store
from medvl.data.view import View
from medvl.data.views.medvill import CxrMedvill
from medvl.data.views.mmbt import CxrMmbt
from medvl.data.views.moco_cxr import CxrMoco
from medvl.data.views.mrm import CxrMrm
from medvl.data.views.plain import Plain
from medvl.data.views.slip import CxrSlip

BICUBIC = InterpolationMode.BICUBIC
IMAGENET = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# (height, width), quality and grain that give files of 1.5 MB, 39 KB and 73 KB
ORIGINAL, SMALL, SHORT_512 = ((3000, 2500), 95, 1.85), ((390, 320), 90, 6.0), ((614, 512), 90, 4.0)


def radiograph(size: tuple[int, int], grain: float, seed: int) -> Image.Image:
    """Smooth shapes with a grain, gray."""
    random = np.random.default_rng(seed)
    shapes = Image.fromarray(random.integers(0, 256, (16, 16), dtype=np.uint8)).resize(size[::-1], Image.BICUBIC)
    noise = random.normal(0, grain, size)
    gray = np.clip(np.asarray(shapes.filter(ImageFilter.GaussianBlur(2)), np.float32) + noise, 0, 255)
    return Image.fromarray(gray.astype(np.uint8))


def jpegs(folder: Path, name: str, kind: tuple[tuple[int, int], int, float], count: int) -> list[Path]:
    size, quality, grain = kind
    paths = [folder / f"{name}{i}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        radiograph(size, grain, i).save(path, quality=quality)
    return paths


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def mrm() -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(448, scale=(0.2, 1.0), interpolation=BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.Grayscale(num_output_channels=3),
            transforms.ToTensor(),
            transforms.Normalize([0.4978], [0.2449]),
        ]
    )


def medvill() -> transforms.Compose:
    return transforms.Compose(
        [transforms.RandomResizedCrop(512, scale=(0.8, 1.1)), transforms.ToTensor(), IMAGENET]
    )  # fmt: skip


def turned(size: int, normalize: transforms.Normalize) -> transforms.Compose:
    """MoCo-CXR's, and that of Dalla Serra et al."""
    return transforms.Compose(
        [
            transforms.Resize(size),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(10),
            transforms.RandomCrop(size),
            transforms.ToTensor(),
            normalize,
        ]
    )


def slip() -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(224, scale=(0.6, 1.0), interpolation=BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(20, translate=(0.09, 0.10), scale=(0.95, 1.05), interpolation=BICUBIC),
            transforms.RandomApply([transforms.ColorJitter(brightness=0.4, contrast=0.4)], p=0.5),
            transforms.RandomApply([transforms.GaussianBlur(23, sigma=(0.1, 3.0))], p=0.5),
            transforms.ToTensor(),
            IMAGENET,
        ]
    )


@dataclass(frozen=True)
class Contest:
    """A paper's way, a sample at a time, and medvl's views of the same recipe.

    `on_cpu` and `handed` are the ratios that are aimed at.
    """

    name: str
    theirs: Callable[[int], object]
    views: dict[str, View]
    on_cpu: float | None = None
    handed: float | None = None


def contests(folder: Path) -> list[Contest]:
    original = jpegs(folder, "original", ORIGINAL, 6)
    small = jpegs(folder, "small", SMALL, 64)
    short = jpegs(folder, "short", SHORT_512, 64)
    for name, paths in (("original", original), ("CheXpert-small", small), ("512-pixel", short)):
        print(f"{name} JPEG: {statistics.mean(path.stat().st_size for path in paths) / 1e3:,.0f} kB")
    arrays = [Image.merge("RGB", [radiograph((256, 256), 5.0, i)] * 3) for i in range(64)]
    cxr = transforms.Normalize([0.5020] * 3, [0.085585] * 3)

    def reading(paths: list[Path], transform: transforms.Compose, views: int = 1) -> Callable[[int], object]:
        def one(index: int) -> object:
            image = opened(paths[index % len(paths)])
            return [transform(image) for _ in range(views)]

        return one

    decoded = slip()
    two = {"query": CxrMoco(), "key": CxrMoco()}
    return [
        Contest("MRM, original JPEG", reading(original, mrm()), {"image": CxrMrm()}, 25, 100),
        Contest("MedViLL, original JPEG", reading(original, medvill()), {"image": CxrMedvill()}, 60),
        Contest("MedViLL, 512-pixel JPEG", reading(short, medvill()), {"image": CxrMedvill()}, 9),
        Contest("MoCo-CXR, two views", reading(small, turned(224, cxr), views=2), two, 8, 30),
        Contest("MMBT, original JPEG", reading(original, turned(224, IMAGENET)), {"image": CxrMmbt()}),
        Contest("SLIP, decoded 256", lambda i: decoded(arrays[i % 64]), {"image": CxrSlip()}),
    ]


class Synthetic(medvl.Dataset):
    """Squares of one side, told apart by a hash of their number."""

    def __init__(self, side: int, count: int) -> None:
        self.side, self.count = side, count

    def table(self) -> pa.Table:
        return pa.table({"image": [str(i) for i in range(self.count)]})

    def read_image(self, reference: str) -> np.ndarray:
        return np.asarray(radiograph((self.side, self.side), 5.0, int(reference) % 7))

    def fingerprint(self) -> str:
        return f"synthetic {self.side} {self.count}"


class Handed(View):
    """Draws what a view draws and hands the bytes on: what remains for the host when a device augments."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view, self.size, self.source, self.flip = view, view.source, view.source, view.flip

    def draw(self, random):
        return self.view.draw(random)

    def forward(self, images, parameters):
        return images.unsqueeze(1)

    def fixed(self):
        return self


def stored(folder: Path, side: int, count: int) -> ImageStore:
    dataset = Synthetic(side, count)
    return build_store(dataset, dataset.table().column("image"), side=side, fit="crop", folder=folder)


def feeding(store: ImageStore, views: dict[str, View], batch: int) -> Iterator[object]:
    cases = CaseArrays(rows=np.arange(len(store)), images=store)
    return Feeder(cases, views, batch_size=batch, device="cpu", seed=0).train()


def batches_of(sample: Callable[[int], object], batch: int) -> Iterator[object]:
    for start in cycle(range(0, 64, batch)):
        yield default_collate([sample(start + i) for i in range(batch)])


def cost(batches: Iterator[object], batch: int, count: int) -> float:
    """CPU milliseconds a sample over `count` batches, in all threads of this process."""
    start = time.process_time()
    pass_through(islice(batches, count))
    return (time.process_time() - start) * 1e3 / (batch * count)


def pass_through(batches: Iterable[object]) -> None:
    """As training does: a batch is gone when the next one comes."""
    for _ in batches:
        pass


def compare(contest: Contest, folder: Path, settings: argparse.Namespace) -> None:
    store = stored(folder, next(iter(contest.views.values())).source, settings.images)
    handed = {"image": Handed(next(iter(contest.views.values())))}
    with (
        closing(batches_of(contest.theirs, 4)) as theirs,
        closing(feeding(store, contest.views, settings.batch)) as on_cpu,
        closing(feeding(store, handed, settings.batch)) as on_host,
    ):
        for batches in (theirs, on_cpu, on_host):
            next(batches)
        rounds = [
            (cost(theirs, 4, settings.samples // 4), cost(on_cpu, settings.batch, 2), cost(on_host, settings.batch, 4))
            for _ in range(settings.rounds)
        ]
    columns = [statistics.median(column) for column in zip(*rounds, strict=True)]
    ratios = [statistics.median(row[0] / row[i] for row in rounds) for i in (1, 2)]
    aims = [f" (aim {aim})" if aim else "" for aim in (contest.on_cpu, contest.handed)]
    print(
        f"| {contest.name} | {columns[0]:.2f} | {columns[1]:.2f} | **{ratios[0]:.1f}**{aims[0]} "
        f"| {columns[2]:.3f} | **{ratios[1]:.0f}**{aims[1]} |", flush=True,
    )  # fmt: skip


def copying(folder: Path, side: int, settings: argparse.Namespace) -> None:
    """The store's gather of random radiographs beside a plain copy of as many that lie side by side in its file."""
    store = stored(folder, side, settings.images)
    size, random = settings.batch, np.random.default_rng(0)
    source = open_shard(store.folder, 0, settings.images, side)
    to = np.ones((size, side, side), np.uint8)
    ratios, speed = [], []
    int(source.sum()), store.read(np.arange(len(store)))  # both maps of the file are read in
    for _ in range(settings.rounds * 10):
        rows = np.sort(random.choice(settings.images, size, replace=False))
        first = int(random.integers(settings.images - size))
        start = time.process_time()
        np.copyto(to, source[first : first + size])
        between = time.process_time()
        store.read(rows, to)
        end = time.process_time()
        ratios.append((between - start) / (end - between))
        speed.append(to.nbytes / (end - between) / 1e9)
    ratio, rate = statistics.median(ratios), statistics.median(speed)
    print(f"gather of {size} x {side}^2: {rate:.1f} GB/s, **{ratio:.2f}** of a plain copy (aim 0.6)")


class PerSample(Dataset):
    """One radiograph at a time, as float32 of three channels."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return transforms.functional.to_tensor(self.images[index]).expand(3, -1, -1)


def against_loader(folder: Path, settings: argparse.Namespace) -> None:
    """Radiographs of 256 pixels brought to where they are augmented, by medvl and by a DataLoader of one worker."""
    store = stored(folder, 256, settings.images)
    loader = DataLoader(
        PerSample(store.read(np.arange(len(store)))), settings.batch, shuffle=True, drop_last=True, num_workers=1
    )  # fmt: skip
    rounds = []
    with closing(feeding(store, {"image": Handed(Plain(size=256))}, settings.batch)) as ours:
        next(ours)
        for _ in range(settings.rounds):
            start = cpu_of_all()
            pass_through(loader)
            between = cpu_of_all()  # the worker has ended
            next(ours)  # the first writes after a fork are dear, which is not the Feeder's doing
            resumed = cpu_of_all()
            pass_through(islice(ours, 8 * len(loader)))
            rounds.append((between - start, (cpu_of_all() - resumed) / 8))
    samples = len(loader) * settings.batch / 1e3
    costs = [statistics.median(column) / samples for column in zip(*rounds, strict=True)]
    ratio = statistics.median(a / b for a, b in rounds)
    print(f"DataLoader of float32: {costs[0]:.3f} ms, Feeder {costs[1]:.3f} ms, **{ratio:.0f}** (aim 25)")


def cpu_of_all() -> float:
    """CPU seconds of this process and of its workers that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=600, help="in the store")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8, help="of a paper's own way, in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="contests whose name contains this")
    settings = parser.parse_args()
    torch.set_num_threads(1)  # threads that wait for each other cost more than they give, on either side
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [contest for contest in contests(folder) if settings.only.lower() in contest.name.lower()]
        print("| way of | theirs, ms | medvl on the CPU, ms | times | handed to a device, ms | times |")
        print("|---|---|---|---|---|---|")
        for contest in rows:
            compare(contest, folder, settings)
        for side in (256, 512):
            copying(folder, side, settings)
        against_loader(folder, settings)


if __name__ == "__main__":
    main()
