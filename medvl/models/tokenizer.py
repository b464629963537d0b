"""Texts to token ids, once: WordPiece tokenizers of the `tokenizers` package, and the corpus they are trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Corpus:
    """What a text encoder may build its tokenizer from.

    Attributes:
        texts: gives the training texts; None before data is read (`medvl check`).
        tokenizer_file: the tokenizer of an earlier stage or of the run that is being resumed; wins over `texts`.
    """

    texts: Callable[[], Iterable[str]] | None = None
    tokenizer_file: Path | None = None


class Tokenizer:
    """A tokenizer with BERT's special tokens: `[CLS] words [SEP]`, cut to `max_length`.

    Args:
        backend: a `tokenizers.Tokenizer`; truncation and padding are set here.
        max_length: most ids of a text, [CLS] and [SEP] included.
    """

    def __init__(self, backend: tokenizers.Tokenizer, max_length: int) -> None:
        self.backend = backend
        self.max_length = max_length
        backend.no_padding()
        backend.enable_truncation(max_length)
        self.pad, self.unknown, self.cls, self.sep, self.mask = (backend.token_to_id(t) for t in SPECIAL_TOKENS)

    @property
    def size(self) -> int:
        """Number of ids."""
        return self.backend.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(ids, offsets): all ids in one int32 array, text i at `ids[offsets[i]:offsets[i + 1]]`."""
        encodings = self.backend.encode_batch(list(texts))
        lengths = np.fromiter((len(e.ids) for e in encodings), np.int64, len(encodings))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        ids = np.concatenate([np.asarray(e.ids, np.int32) for e in encodings]) if encodings else np.empty(0, np.int32)
        return ids, offsets

    def save(self, path: Path) -> None:
        """Write a `tokenizers` JSON file."""
        self.backend.save(str(path))
