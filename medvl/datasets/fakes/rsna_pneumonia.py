"""A miniature of the RSNA Pneumonia Detection Challenge, stage 2."""

from __future__ import annotations

import gzip
import json
import uuid
from pathlib import Path
from typing import Any

from medvl.data.dataset import BOXES, LABEL_PREFIX, PATIENT, VIEW
from medvl.datasets.fakes.frontal_images import draw_frontal, enlarge
from medvl.datasets.fakes.image_writers import write_dicom
from medvl.datasets.rsna_pneumonia.dataset import TEST, TRAIN
from medvl.datasets.rsna_pneumonia.tables import CLASS_INFO, CLASSES, HEADERS, LABELS, MAPPING, SIDE

OPACITIES = ("Pneumonia", "Consolidation")  # what a reader of the challenge would have drawn a box around
TEST_EVERY, VAL_EVERY = 8, 9  # among the images; most are for training
Row = dict[str, Any]


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """The official files, and the optional ones, of phantom radiographs enlarged to 1024 x 1024.

    Traps: one to four rows an image; boxes as whole numbers spelled as floats, blank for negatives; `patientId` that
    names images, several of one patient, who is told by the NIH mapping alone; repeated rows in the class file; test
    images without labels; JPEG inside DICOM; an age of 155; MRM's lists with a blank at each line's end.

    Args:
        out: the folder to write in.
        patients: phantom patients; each has one to three images.
        seed: of the phantom.

    Returns:
        The `data:` parameters that read it.
    """
    out = Path(out)
    images = draw_frontal(patients, seed)
    rows = [_row(row, place, seed) for place, row in enumerate(images.table.to_pylist())]
    for place, (row, pixels) in enumerate(zip(rows, images.pixels, strict=True)):
        tags = {
            "ConversionType": "WSD", "PatientID": row["id"], "PatientAge": "155Y" if place == 1 else "054Y",
            "ViewPosition": row["view"], "SOPInstanceUID": f"1.2.276.0.7230010.3.1.4.8323329.{place}",
        }  # fmt: skip
        path = out / row["folder"] / f"{row['id']}.dcm"
        write_dicom(path, enlarge(pixels, SIDE), bits=8, compression="jpeg", **tags)
    _write_tables(out, rows)
    _write_lists(out / "mrm", rows)
    return {"name": "rsna_pneumonia", "root": str(out)}


def _row(row: Row, place: int, seed: int) -> Row:
    boxes = [box for box in row[BOXES] if box["label"] in OPACITIES]
    sick = any(row[LABEL_PREFIX + name] in (1, -1) for name in OPACITIES) and boxes
    healthy = row[LABEL_PREFIX + "No Finding"] == 1
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed} {row['image']}")),
        "view": row[VIEW],
        "nih": f"{int(row[PATIENT]) + 1:08d}_{place:03d}.png",
        "class": CLASSES[2] if sick else CLASSES[0] if healthy else CLASSES[1],
        "boxes": _strips(boxes[:4], place) if sick else [],
        "folder": TEST if place % TEST_EVERY == TEST_EVERY - 1 else TRAIN,
        "split": "test" if place % TEST_EVERY == TEST_EVERY - 1 else "val" if place % VAL_EVERY == 3 else "train",
    }


def _strips(boxes: list[Row], place: int) -> list[Row]:
    """The first box cut into strips, so that every number of rows from one to four occurs."""
    count = max(1, 1 + place % 4 - (len(boxes) - 1))
    first = boxes[0] | {"height": boxes[0]["height"] / count}
    return [first | {"y": first["y"] + number * first["height"]} for number in range(count)] + boxes[1:4]


def _write_tables(out: Path, rows: list[Row]) -> None:
    labels, classes = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    headers = [",BodyPartExamined,Modality,PatientAge,PatientID,PatientSex,ViewPosition"]
    for number, row in enumerate(rows):
        if row["folder"] == TEST:
            continue
        for box in row["boxes"]:
            sides = ",".join(f"{round(box[side] * SIDE)}.0" for side in ("x", "y", "width", "height"))
            labels.append(f"{row['id']},{sides},1")
        if not row["boxes"]:
            labels.append(f"{row['id']},,,,,0")
        classes += [f"{row['id']},{row['class']}"] * max(1, len(row["boxes"]))
        headers.append(f"{number},CHEST,CR,{155 if number == 1 else 54},{row['id']},F,{row['view']}")
    (out / LABELS).write_text("\n".join(labels) + "\n")
    (out / CLASS_INFO).write_text("\n".join(classes) + "\n")
    (out / HEADERS).write_bytes(gzip.compress("\n".join(headers).encode(), mtime=0))
    mapping = [{"subset_img_id": row["id"], "img_id": row["nih"], "orig_labels": ["No Finding"]} for row in rows]
    (out / MAPPING).write_text(json.dumps(mapping))


def _write_lists(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(parents=True)
    for split in ("train", "val", "test"):
        lines = [f"{r['folder']}/{r['id']}.dcm {int(bool(r['boxes']))} \n" for r in rows if r["split"] == split]
        (folder / f"{split}_list.txt").write_text("".join(lines))
