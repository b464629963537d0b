"""Lint: labels that were mined from the very text that is the input, as the dataset declares."""

from __future__ import annotations

from collections.abc import Sequence

from medvl.data.lints.finding import LABEL_IN_TEXT, Finding


def labels_mined_from_input(labels_from: Sequence[str], section: str) -> list[Finding]:
    """A warning where a labeler read the section that the model reads: it can copy what the labeler saw.

    Jacenkow et al. 2022 and Dalla Serra et al. 2022 give their models the indication alone for this reason.

    Args:
        labels_from: `Dataset.labels_from`.
        section: the text that is the input.
    """
    if section not in labels_from:
        return []
    return [
        Finding(
            LABEL_IN_TEXT,
            "warning",
            f"the labels were mined from {' and '.join(labels_from)}, and the model reads '{section}'",
            "take a section that was written before the image was read, such as the indication",
        )
    ]
