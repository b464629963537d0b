"""A miniature of the Shenzhen Hospital chest X-ray set."""

from __future__ import annotations

from pathlib import Path

from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.fakes.nlm_tuberculosis import Case, draw_cases, reading_of
from medvl.datasets.tuberculosis.release import IMAGES, READINGS
from medvl.datasets.tuberculosis.shenzhen import Shenzhen

MODES = ("P", "RGB", "L")


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """`CXR_png` and `ClinicalReadings` of phantom radiographs, one a patient.

    Traps: the label in the last digit, in no order of the numbers; `Thumbs.db`; PNGs with a palette or in colour;
    readings that are missing, without a second line, with CRLF, `femal`, a comma before the age, months and days.

    Args:
        out: the folder to write in.
        patients: phantom patients.
        seed: of the phantom.

    Returns:
        The `data:` parameters that read it.
    """
    out = Path(out)
    (out / READINGS).mkdir(parents=True)
    for case in draw_cases(patients, seed):
        stem = case.stem(Shenzhen.prefix)
        write_picture(out / IMAGES / f"{stem}.png", case.pixels, mode=MODES[case.number % len(MODES)])
        if case.number % 11:
            (out / READINGS / f"{stem}.txt").write_bytes(_text(case).encode())
    (out / IMAGES / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return {"name": "shenzhen", "root": str(out)}


def _text(case: Case) -> str:
    sex = "female" if case.female else "male"
    if case.number % 7 == 0:
        return f"{sex} {case.age}yrs"
    reading = reading_of(case, ("normal", "normale"))
    if case.number % 5 == 0:
        return f"{sex.capitalize()}, {case.age}yrs \r\n\r\n{reading}\r\n"
    if case.number % 6 == 0:
        return f"{sex.removesuffix('e')} {case.age}yrs\n{reading}" if case.female else f"male 16month\n{reading}"
    return f"{sex} 64days\n{reading}" if case.number == 4 else f"{sex} {case.age}yrs\n{reading}"
