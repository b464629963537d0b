"""Open-I's four releases: what each lays where, where it is obtained, how much it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medvl.data.source import Source

Release = Literal["xml", "kaggle", "r2gen", "medvill"]

REPORTS, HEADERS = "ecgen-radiology", "nlmcxr_dicom_metadata.csv.gz"
KAGGLE_REPORTS, PROJECTIONS = "indiana_reports.csv", "indiana_projections.csv"
ANNOTATION = "annotation.json"
MEDVILL_FOLDER = "data/openi"
MEDVILL_LISTS = {"train": "Train.jsonl", "val": "Valid.jsonl", "test": "Test.jsonl"}
IMAGES: dict[Release, str] = {
    "xml": "NLMCXR_png", "kaggle": "images/images_normalized", "r2gen": "images", "medvill": ""
}  # fmt: skip

NLM = "https://openi.nlm.nih.gov/faq, Indiana University collection (no sign-up)"
KAGGLE = "https://www.kaggle.com/datasets/raddar/chest-xrays-indiana-university (a Kaggle account)"
R2GEN = "https://github.com/zhjohnchan/R2Gen, Datasets, IU X-Ray"
MEDVILL = "https://github.com/SuperSupermoon/MedViLL"
XRAYVISION = "https://github.com/mlmed/torchxrayvision, torchxrayvision/data"

# images in each split; R2Gen's own counts are of reports, with two images each
SPLITS: dict[Release, dict[str, int]] = {
    "r2gen": {"train": 2 * 2069, "val": 2 * 296, "test": 2 * 590},
    "medvill": {"train": 2483, "val": 710, "test": 354},
}
OFFICIAL: dict[Release, dict[str, int]] = {
    "xml": {"images": 7470, "studies": 3851, "patients": 3851},
    "kaggle": {"images": 7466, "studies": 3851, "patients": 3851},
    "r2gen": {"images": 5910, "studies": 2955, "patients": 2955} | SPLITS["r2gen"],
    "medvill": {"images": 3547, "studies": 3547, "patients": 3547} | SPLITS["medvill"],
}


def index_sources(release: Release, root: Path) -> list[Source]:
    """The files that a release's table is read from."""
    headers = Source(root / HEADERS, "views by the DICOM headers", f"{XRAYVISION}/{HEADERS}", needed=False)
    if release == "xml":
        projections = Source(root / PROJECTIONS, "which images are laterals", KAGGLE, needed=False)
        return [Source(root / REPORTS, "reports", f"{NLM}: NLMCXR_reports.tgz"), headers, projections]
    if release == "kaggle":
        return [
            Source(root / KAGGLE_REPORTS, "reports", KAGGLE),
            Source(root / PROJECTIONS, "image names and which are laterals", KAGGLE),
            headers,
        ]
    if release == "r2gen":
        return [Source(root / ANNOTATION, "findings, image names, split", R2GEN)]
    folder = root / MEDVILL_FOLDER
    return [Source(folder / name, f"reports, labels: {split}", MEDVILL) for split, name in MEDVILL_LISTS.items()]


def image_source(release: Release, folder: Path) -> Source:
    """The folder of a release's images."""
    if release == "medvill":
        folder /= "data/preprocessed/openi"  # its lists name images from the repository's root
    where = {
        "xml": f"{NLM}: NLMCXR_png.tgz (1.4 GB) or NLMCXR_dcm.tgz (81 GB)",
        "kaggle": KAGGLE, "r2gen": R2GEN, "medvill": MEDVILL,
    }  # fmt: skip
    return Source(folder, "images", where[release])
