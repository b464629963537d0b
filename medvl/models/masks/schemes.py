"""Attention-mask schemes: pure functions of a layout, True = may attend; what they return broadcasts to (B, S, S)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from medvl.models.masks.layout import Layout


def bidirectional(layout: Layout) -> Tensor:
    """Everything real sees everything real (Moon 2022, "Bi"): (B, 1, S)."""
    return layout.real


def seq2seq(layout: Layout) -> Tensor:
    """Every row sees the prefix; a text row also sees the real text up to itself (Dong 2019, UniLM): (B, S, S).

    The prefix sees no text, so what is read at [CLS] knows the image alone. Moon 2022 calls it "S2S".
    """
    return _causal(layout) & layout.real


def bar(layout: Layout, *, clean: bool = True) -> Tensor:
    """Bidirectional auto-regressive: the prefix sees everything, text sees the prefix and the text up to itself.

    Moon 2022. Words do not see later words, but image tokens do, and from the second layer on words
    read image tokens: an earlier word can come to know a later one. A perplexity under this mask is therefore no
    probability of the text given what stands before it.

    Args:
        clean: padding is seen by nothing. False is the released code, where the prefix sees padding too and padding
            sees padding: what comes out then depends on how far the texts of a batch are padded.
    """
    allow = _causal(layout) | (layout.query < layout.prefix)
    return allow & layout.real if clean else allow


class NonCrossing:
    """Image and text never see each other; each part has its own [CLS] (Moon 2022, the "non-crossing" rows): (B, S, S).

    A fusion that knows `text_cls` leaves the text its own [CLS], so the sequence is a position longer than under the
    other schemes. (The released code builds that sequence, and a mask that is one short.)
    """

    text_cls: ClassVar[bool] = True

    def __call__(self, layout: Layout) -> Tensor:
        """Two blocks. Padding sees itself too, for a softmax over nothing is not a number."""
        same_part = (layout.query < layout.prefix) == (layout.key < layout.prefix)
        return (same_part & layout.real) | (layout.query == layout.key)


def _causal(layout: Layout) -> Tensor:
    """(S, S): the prefix, and whatever stands no later."""
    return (layout.key <= layout.query) | (layout.key < layout.prefix)
