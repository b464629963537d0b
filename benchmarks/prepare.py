"""Seconds of one core for a radiograph, file to stored square: medvl beside the usual way to do it.

    OMP_NUM_THREADS=1 python benchmarks/prepare.py

Synthetic radiographs, 2544 x 3056 as most of MIMIC-CXR are, written at run time in each format. The contenders take
turns within one process; time is the process's own (user and system); the figure to trust is the median of the ratios
of a round. `dB` compares the squares with decoding all pixels and scaling them the same way.

- jpeg: Pillow to RGB and resize, as the papers' loaders do; medvl decodes luma at a lower resolution.
- jpeg lossless, jpeg 2000: pydicom with pylibjpeg, window, resize. For JPEG Lossless that plug-in is pylibjpeg-libjpeg
  (GPL-3.0), and python-gdcm where it is absent.
- 16 to 8 bit: of an uncompressed file already in memory: minimum and maximum to bytes, resize.
- workers: images per second of wall time that two threads of the store reach, over those of one; it says something
  only of a machine that has two processors to spare.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import imagecodecs
import numpy as np
import pyarrow as pa
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing, get_decoder, pixel_array
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    generate_uid,
)

from medvl.data.decode import Decode
from medvl.data.depth import code_values, linear, to_bytes
from medvl.data.images import prepare_image
from medvl.data.scaling import square, whole_box
from medvl.data.store import build_store
from medvl.datasets.image_files import ImageFiles

HEIGHT, WIDTH, BITS = 3056, 2544, 12
CENTER, WINDOW = 2048, 3600
USUAL = ("pylibjpeg", "gdcm")


def radiograph(seed: int) -> np.ndarray:
    """Stored values (HEIGHT, WIDTH) of 12 bits: large shapes, fine texture, thin lines, noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    shapes = 0.5 + 0.3 * np.sin(9 * x / WIDTH + seed) * np.cos(7 * y / HEIGHT)
    coarse = Image.fromarray(rng.standard_normal((HEIGHT // 4, WIDTH // 4)).astype(np.float32))
    texture = 0.03 * np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    lines = 0.12 * ((x + 2 * y) % 157 < 3)
    noise = 0.004 * rng.standard_normal((HEIGHT, WIDTH))
    return np.rint((2**BITS - 1) * np.clip(shapes + texture + lines + noise, 0, 1)).astype(np.uint16)


def write_jpeg(path: Path, values: np.ndarray) -> Path:
    Image.fromarray((values >> 4).astype(np.uint8)).save(path, quality=95)
    return path


def write_dicom(path: Path, values: np.ndarray, syntax: str, stream: bytes | None) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = syntax, ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID = ComputedRadiographyImageStorage, meta.MediaStorageSOPInstanceUID
    header.Rows, header.Columns = values.shape
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, BITS, BITS - 1
    header.WindowCenter, header.WindowWidth = CENTER, WINDOW
    header.PixelData = values.tobytes() if stream is None else encapsulate([stream])
    header["PixelData"].VR = "OW" if stream is None else "OB"
    header["PixelData"].is_undefined_length = stream is not None
    header.save_as(path, enforce_file_format=True)
    return path


def lossless_jpeg(values: np.ndarray) -> bytes:
    return imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=BITS, predictor=1)


def jpeg2000(values: np.ndarray) -> bytes:
    return imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, bitspersample=BITS, level=0)


def usual_jpeg(path: Path, side: int) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def usual_dicom(path: Path, side: int) -> np.ndarray:
    header = dcmread(path)
    available = get_decoder(header.file_meta.TransferSyntaxUID).available_plugins
    values = pixel_array(header, decoding_plugin=next((name for name in USUAL if name in available), ""))
    shown = apply_windowing(values, header) / (2**BITS - 1) * 255
    return np.asarray(Image.fromarray(shown.astype(np.uint8)).resize((side, side), Image.Resampling.BILINEAR))


def usual_bytes(values: np.ndarray, side: int) -> np.ndarray:
    low, high = values.min(), values.max()
    shown = ((values - low) / (high - low) * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(shown).resize((side, side), Image.Resampling.BILINEAR))


def our_bytes(values: np.ndarray, side: int, average_for: int | None) -> np.ndarray:
    shares = linear(code_values(values.dtype), float(values.min()), float(values.max()))
    return square(to_bytes(values, shares, whole_box(values), average_for=average_for), side, "stretch")


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def decibels(image: np.ndarray, exact: np.ndarray) -> float:
    error = np.square(image.astype(np.float64) - exact).mean()
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


class Listed(ImageFiles):
    """A folder's images, each listed often enough that a store has work; numbered, so that each has a store."""

    numbers = count()

    def __init__(self, root: Path, names: list[str], images: int) -> None:
        self.root, self.names, self.images, self.number = root, names, images, next(self.numbers)

    def index_files(self):
        return []

    def settings(self):
        return (self.number,)

    def build_table(self):
        names = [self.names[place % len(self.names)] for place in range(self.images)]
        return pa.table({"image": names, "patient": names, "study": names, "view": ["PA"] * self.images})


def images_per_second(workers: int, settings: argparse.Namespace, folder: Path, names: list[str]) -> float:
    dataset = Listed(folder, names, 128 * workers)
    start = time.perf_counter()
    build_store(
        dataset, dataset.table().column("image"), side=settings.side, fit="crop",
        folder=folder / f"stores-{dataset.number}", workers=workers,
    )  # fmt: skip
    return dataset.images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    settings = parser.parse_args()
    side, reduced = settings.side, Decode(jpeg2000="reduced")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = radiograph(0)
        jpeg = write_jpeg(folder / "a.jpg", values)
        lossless = write_dicom(folder / "lossless.dcm", values, JPEGLosslessSV1, lossless_jpeg(values))
        j2k = write_dicom(folder / "j2k.dcm", values, JPEG2000Lossless, jpeg2000(values))
        raw = write_dicom(folder / "raw.dcm", values, ExplicitVRLittleEndian, None)
        exact = prepare_image(raw, side, decode=Decode(exact=True))
        pairs: dict[str, tuple[Callable[[], np.ndarray], Callable[[], object], np.ndarray]] = {
            "jpeg": (
                lambda: prepare_image(jpeg, side),
                lambda: usual_jpeg(jpeg, side),
                prepare_image(jpeg, side, decode=Decode(exact=True)),
            ),
            "jpeg lossless": (lambda: prepare_image(lossless, side), lambda: usual_dicom(lossless, side), exact),
            "jpeg 2000 full": (lambda: prepare_image(j2k, side), lambda: usual_dicom(j2k, side), exact),
            "jpeg 2000 reduced": (
                lambda: prepare_image(j2k, side, decode=reduced),
                lambda: usual_dicom(j2k, side),
                exact,
            ),
            "uncompressed": (lambda: prepare_image(raw, side), lambda: usual_dicom(raw, side), exact),
            "16 to 8 bit": (
                lambda: our_bytes(values, side, side),
                lambda: usual_bytes(values, side),
                our_bytes(values, side, None),
            ),
        }
        for title, (ours, usual, reference) in pairs.items():
            rounds = [(seconds(ours), seconds(usual)) for _ in range(settings.rounds + 1)][1:]
            ratio = statistics.median(theirs / mine for mine, theirs in rounds)
            mine, theirs = (1000 * statistics.median(times) for times in zip(*rounds, strict=True))
            print(
                f"{title:18} medvl {mine:7.1f} ms   usual {theirs:7.1f} ms   ratio {ratio:5.1f}   "
                f"{decibels(ours(), reference):.1f} dB",
                flush=True,
            )
        names = [write_jpeg(folder / f"{seed}.jpg", radiograph(seed)).name for seed in range(4)]
        rounds = [tuple(images_per_second(workers, settings, folder, names) for workers in (2, 1)) for _ in range(3)]
        ratio = statistics.median(two / one for two, one in rounds)
        two, one = (statistics.median(rates) for rates in zip(*rounds, strict=True))
        print(f"{'workers, jpeg':18} two {two:6.1f}/s   one {one:6.1f}/s   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
