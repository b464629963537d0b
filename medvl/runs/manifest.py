"""The manifest: what made a stage's results, in one JSON file without identifiers."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import medvl
from medvl.errors import DataError
from medvl.files import write_text_atomic

FILE = "manifest.json"
FORMAT = 1
PACKAGES = ("torch", "torchvision", "timm", "transformers", "lightning-fabric", "numpy", "pyarrow", "pydicom")
HOME_FOLDERS = re.compile(r"(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\\s'\"]+")

Status = Literal["running", "complete", "failed"]


def now() -> str:
    """The time in UTC, to the second, as in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of Python, medvl and the packages that results depend on, without importing them."""
    found = {"medvl": medvl.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def system() -> str:
    """Operating system and processor architecture; never the host's name."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


@dataclass
class Manifest:
    """What made a stage's results. Holds hashes and counts; never a patient, an image reference or report text.

    Attributes:
        experiment, stage: names from the YAML.
        config: hash of the stage's resolved configuration.
        data: the dataset's fingerprint.
        parents: stages this one starts from, name -> hash.
        splits: cases of each split.
        subset: hash of the images learned from, which `subset.parquet` lists (`medvl.runs.subset`).
        prevalence: per finding, the share of known training labels that are positive.
        coverage: per model slot, the share of its tensors that loaded weights gave.
        status: `running`, `complete` or `failed`.
        started, ended: UTC; `ended` is empty while running.
        seconds: spent training, over all resumptions.
        samples_per_second: over those seconds.
        device: its name, e.g. `NVIDIA H100 80GB HBM3`.
        system: operating system and architecture.
        versions: of medvl, Python and packages.
        plugins: name -> version.
        smoke: made tiny by `--smoke`: what it gives means nothing, and tables say so.
        notes: sentences a reader must see.
    """

    experiment: str
    stage: str
    config: str = ""
    data: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    subset: str = ""
    prevalence: dict[str, float] = field(default_factory=dict)
    coverage: dict[str, float] = field(default_factory=dict)
    status: Status = "running"
    started: str = field(default_factory=now)
    ended: str = ""
    seconds: float = 0.0
    samples_per_second: float = 0.0
    device: str = ""
    system: str = field(default_factory=system)
    versions: dict[str, str] = field(default_factory=versions)
    plugins: dict[str, str] = field(default_factory=dict)
    smoke: bool = False
    notes: list[str] = field(default_factory=list)
    format: int = FORMAT

    def finish(self, status: Status, *, seconds: float, samples: int) -> None:
        """Record the end: `seconds` spent on `samples` training samples."""
        self.status = status
        self.ended = now()
        self.seconds = round(seconds, 3)
        self.samples_per_second = round(samples / seconds, 3) if seconds else 0.0

    def note(self, sentence: str) -> None:
        """Add a sentence once, however often a resumed run says it."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def write(self, folder: str | Path) -> Path:
        """Write `manifest.json`, atomically, with home folders as `~`."""
        values = _without_home(dataclasses.asdict(self))
        return write_text_atomic(Path(folder) / FILE, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> Manifest:
        """Read `manifest.json`; fields of a later medvl that this one does not know are left out.

        Raises:
            DataError: it is missing or is no manifest.
        """
        path = Path(folder) / FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            known = {each.name for each in dataclasses.fields(cls)}
            return cls(**{name: value for name, value in values.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise DataError(f"manifest '{path}' cannot be read: {error}. give the folder of a stage") from error


def is_complete(folder: Path) -> bool:
    """Whether a stage has run to its end in this folder."""
    try:
        return Manifest.read(folder).status == "complete"
    except DataError:  # never started, or killed before its first word
        return False


def device_name(device: str = "cpu") -> str:
    """The name of an accelerator (`cuda`, `cuda:1`) or of the processor."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _without_home(value: Any) -> Any:
    """Replace home folders in every string: their last part is mostly a user's name."""
    if isinstance(value, str):
        home = str(Path.home())
        return HOME_FOLDERS.sub("~", value.replace(home, "~") if len(home) > 1 else value)
    if isinstance(value, dict):
        return {name: _without_home(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_home(each) for each in value]
    return value
