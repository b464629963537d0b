"""Lint: labels that were mined from the very text that is the input, as the dataset declares."""

from __future__ import annotations

from collections.abc import Sequence

from medvl.data.lints.finding import LABEL_IN_TEXT, Finding


def labels_mined_from_input(labels_from: Sequence[str], sections: Sequence[str]) -> list[Finding]:
    """A warning where a labeler read a section that the model reads: it can copy what the labeler saw.

    Jacenkow et al. 2022 and Dalla Serra et al. 2022 give their models the indication alone for this reason.

    Args:
        labels_from: `Dataset.labels_from`.
        sections: those that the text which is the input is made of.
    """
    read = [section for section in sections if section in labels_from]
    if not read:
        return []
    return [
        Finding(
            LABEL_IN_TEXT,
            "warning",
            f"the labels were mined from {' and '.join(labels_from)}, and the model reads {' and '.join(read)}",
            "take a section that was written before the image was read, such as the indication",
        )
    ]
