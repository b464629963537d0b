"""Ages and sexes as the releases spell them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

OLDEST = 120  # years; higher ones are slips of the owner's form (NIH has 411, RSNA 155)
_YEARS = {"Y": 1.0, "M": 12.0, "W": 52.0, "D": 365.0}  # unit of DICOM's age string -> how many make a year


def ages_of_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Strings such as `57`, `57.0`, `060Y` or `013M` -> whole years, int16.

    Null where blank, impossible (above `OLDEST`) or not an age.
    """
    parts = pc.extract_regex(column, r"^(?P<number>\d{1,4}(?:\.\d+)?)\s*(?P<unit>[YMWDymwd]?)$")
    number = pc.struct_field(parts, "number").cast(pa.float64())
    unit = pc.utf8_upper(pc.struct_field(parts, "unit"))
    years = number
    for name, count in _YEARS.items():
        years = pc.if_else(pc.equal(unit, name), pc.divide(number, count), years)
    years = pc.floor(years)
    return pc.if_else(pc.less_equal(years, OLDEST), years, pa.scalar(None, pa.float64())).cast(pa.int16())


def sexes_of_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`F`, `Female`, `m`, ... -> `F` or `M`; null for all else (`Unknown`, `O`)."""
    first = pc.utf8_upper(column)
    female = pc.is_in(first, pa.array(["F", "FEMALE"]))
    male = pc.is_in(first, pa.array(["M", "MALE"]))
    nothing = pa.scalar(None, pa.string())
    return pc.if_else(female, pa.scalar("F"), pc.if_else(male, pa.scalar("M"), nothing))
