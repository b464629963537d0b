"""What an objective hides of images and texts and how it restores it, as pictures want it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from medvl.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class RestoredImages:
    """Radiographs with patches removed, restored and whole; or with nothing removed, and all restored.

    Attributes:
        seen: (B, 1, h, w) float, whole: what the encoder reads of it is what is not removed.
        restored: (B, 1, H, W) float, `truth` with restored pixels in place of the removed ones.
        truth: (B, 1, H, W) float; may have another resolution than `seen`.
        removed: (B, rows, columns) bool, True where a patch was removed; None where all is seen and all restored.
    """

    seen: Tensor
    restored: Tensor
    truth: Tensor
    removed: Tensor | None


@dataclass(frozen=True)
class RestoredWord:
    """A word of a text, its pieces joined.

    Attributes:
        text: what stands there.
        told: what was restored in its place; None where nothing of it was hidden.
    """

    text: str
    told: str | None

    @property
    def right(self) -> bool:
        """Whether it was restored as it was, or never hidden."""
        return self.told in (None, self.text)


@dataclass(frozen=True)
class RestoredTexts:
    """Texts with words hidden and restored.

    Attributes:
        ids: (B, T) int64, what stands there; padding and other marks among them.
        hidden: (B, T) bool.
        told: (B, T) int64, the likeliest id where a token was hidden; elsewhere `ids`.
    """

    ids: Tensor
    hidden: Tensor
    told: Tensor

    def words(self, case: int, tokenizer: Tokenizer) -> list[RestoredWord]:
        """A case's words in order, without marks."""
        marks, name, found = set(tokenizer.marks), tokenizer.backend.id_to_token, list[RestoredWord]()
        rows = zip(*(each[case].tolist() for each in (self.ids, self.hidden, self.told)), strict=True)
        for number, hidden, told in rows:
            if number in marks:
                continue
            piece, guess = (name(each) or "[UNK]" for each in (number, told))  # a table may have more rows than words
            word = RestoredWord(piece.removeprefix("##"), guess.removeprefix("##") if hidden else None)
            if piece.startswith("##") and found:
                word = _joined(found.pop(), word)
            found.append(word)
        return found


@dataclass(frozen=True)
class Reconstruction:
    """Of a batch; None where an objective restores no image, or no text."""

    images: RestoredImages | None
    texts: RestoredTexts | None


def _joined(first: RestoredWord, rest: RestoredWord) -> RestoredWord:
    if first.told is None and rest.told is None:
        return RestoredWord(first.text + rest.text, None)
    told = "".join(piece.text if piece.told is None else piece.told for piece in (first, rest))
    return RestoredWord(first.text + rest.text, told)
