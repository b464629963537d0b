"""Views of MIMIC-CXR's images, by its owner's rules."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from medvl.datasets.mimic_cxr import by_hand

FRONTAL, LATERAL, OTHER = "frontal", "lateral", "other"
VIEW_POSITION, VIEW_CODE = "ViewPosition", "ViewCodeSequence_CodeMeaning"

# The coded view in words -> what ViewPosition calls it.
_CODED = {
    "antero-posterior": "AP",
    "postero-anterior": "PA",
    "left lateral": "LL",
    "lateral": "LATERAL",
    "left anterior oblique": "LAO",
    "right anterior oblique": "RAO",
    "left posterior oblique": "LPO",
    "right posterior oblique": "RPO",
}
_PROJECTIONS = {"AP": FRONTAL, "PA": FRONTAL, "LATERAL": LATERAL, "LL": LATERAL}


def views_of(metadata: pa.Table, images: pa.ChunkedArray) -> pa.ChunkedArray:
    """What each image shows: `AP`, `PA`, `LATERAL`, `LL`, `LAO`, ...; null where nothing says it.

    `ViewPosition` as it stands; where blank, what `ViewCodeSequence` says; for ten images what the owner saw.

    Args:
        metadata: has `ViewPosition` and `ViewCodeSequence_CodeMeaning`.
        images: `dicom_id` of each row.
    """
    coded = _mapped(pc.utf8_lower(metadata.column(VIEW_CODE)), _CODED)
    return pc.coalesce(_mapped(images, by_hand.VIEWS), metadata.column(VIEW_POSITION), coded)


def projections_of(views: pa.ChunkedArray) -> pa.ChunkedArray:
    """`frontal` (AP, PA), `lateral` (LATERAL, LL) or `other`, as the owner groups views; null where the view is.

    The owner then asks the acquisition's description, a DICOM element that the published metadata lacks, so some
    images that the owner's paper counts as frontal or lateral have no projection here.
    """
    known = _mapped(views, _PROJECTIONS)
    return pc.coalesce(known, pc.if_else(pc.is_valid(views), OTHER, pa.scalar(None, pa.string())))


def _mapped(column: pa.ChunkedArray, meanings: dict[str, str]) -> pa.ChunkedArray:
    """Each value's meaning, null for values without one."""
    places = pc.index_in(column, pa.array(meanings, pa.string()))
    return pc.take(pa.array(meanings.values(), pa.string()), places)
