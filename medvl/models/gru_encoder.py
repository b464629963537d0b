"""Word vectors and recurrent layers as a text encoder."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from medvl.errors import ConfigError, WeightsError
from medvl.models.base import TextEncoder
from medvl.models.tokenizer import SPECIAL_TOKENS, Corpus, Tokenizer, train_words, whole_words
from medvl.models.weights import first_names
from medvl.models.word_vectors import read_vectors, vector_width

WIDTH = 200  # of learned vectors, as BioWordVec's


class GruEncoder(TextEncoder):
    """Bidirectional GRUs (Cho 2014), one on the other, over vectors of whole words.

    The vocabulary is that of the training texts. With a file of vectors (BioWordVec, or any in word2vec's formats) the
    file's first words fill it up, so that words which training did not meet have vectors too; the file's vectors stay
    as they are unless they are `tuned`. Words that the file lacks, and [CLS] and [SEP], get random vectors of its
    spread. Without a file vectors are learned.

    Args:
        corpus: the training texts and the tokenizer of an earlier stage; given by the stage.
        vectors: `none`, or a file in word2vec's text or binary format.
        width: of the vectors that are learned; a file brings its own.
        tuned: train a file's vectors too.
        vocab_size: most words of the vocabulary, special tokens included.
        hidden: size of each layer's state, in each of the two directions.
        max_length: most words of a text, [CLS] and [SEP] included.
        dropout: rate in [0, 1), of word vectors and between layers.
        pool: what `pooled` is: `last`, the state behind the last word beside that which reads backwards behind the
            first; or the `mean` of real tokens.

    Attributes:
        words: the table of word vectors.
        file: of the vectors, or None.
        lacking: words of the vocabulary that it has no vectors of, those first that stand most often in the texts.

    Raises:
        ConfigError: no layer, or a width beside a file.
        WeightsError: the file cannot be read, or has no word of the training texts.
    """

    smoke = MappingProxyType(
        {"vectors": "none", "width": 32, "tuned": False, "vocab_size": 1000, "hidden": (16, 16), "max_length": 64}
    )

    def __init__(
        self,
        corpus: Corpus,
        *,
        vectors: str = "none",
        width: int | None = None,
        tuned: bool = False,
        vocab_size: int = 30_000,
        hidden: tuple[int, ...] = (512, 1024),
        max_length: int = 50,
        dropout: float = 0.0,
        pool: Literal["last", "mean"] = "last",
    ) -> None:
        super().__init__()
        self.file = file = None if vectors == "none" else vectors
        if not hidden:
            raise ConfigError("hidden is empty, and at least one layer is needed. do: write e.g. hidden: [512, 1024]")
        if file and width:
            raise ConfigError(
                f"width: {width} is asked for, and a file of word vectors brings its own. do: leave it out"
            )
        width = vector_width(file) if file else width or WIDTH
        on_meta = torch.get_default_device().type == "meta"
        self.tokenizer, found = _vocabulary(corpus, None if on_meta else file, vocab_size, max_length)
        self.lacking = [word for word in _words(self.tokenizer) if word not in found] if found else []
        self.words = nn.Embedding(self.tokenizer.size, width, padding_idx=self.tokenizer.pad)
        self._fill(found)
        self.words.weight.requires_grad_(file is None or tuned)
        self.drop = nn.Dropout(dropout)
        sizes = [width, *(2 * size for size in hidden)]
        self.layers = nn.ModuleList(BothWays(before, after // 2) for before, after in pairwise(sizes))
        self.pooling = pool
        self.width, self.positions = sizes[-1], max_length

    def forward(self, ids: Tensor, mask: Tensor, needs: Collection[str] = ("pooled",)) -> dict[str, Tensor]:
        """ids (B, T) int64, mask (B, T) bool True on real tokens -> those of tokens (B, T, D), pooled (B, D).

        What stands in `tokens` at padding means nothing.
        """
        lengths = mask.sum(1, keepdim=True)  # (B, 1)
        at = torch.arange(ids.shape[1], device=ids.device)
        turned = torch.where(at < lengths, lengths - 1 - at, at)  # (B, T)
        tokens = self.words(ids)
        for layer in self.layers:
            tokens = layer(self.drop(tokens), turned)
        found = {"tokens": tokens} if "tokens" in needs else {}
        if "pooled" in needs:
            found["pooled"] = self._pooled(tokens, mask, lengths)
        return found

    def notes(self) -> list[str]:
        """Words that the file of vectors lacks."""
        if not self.lacking:
            return []
        words = self.tokenizer.size - len(SPECIAL_TOKENS)
        return [
            f"{len(self.lacking):,} of {words:,} words have no vector in {self.file}, the most frequent first: "
            f"{first_names(self.lacking)}"
        ]

    def _pooled(self, tokens: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        if self.pooling == "mean":
            real = mask[..., None].to(tokens.dtype)
            return (tokens * real).sum(1) / lengths.clamp(min=1)
        last = tokens.gather(1, (lengths - 1).clamp(min=0)[..., None].expand(-1, -1, self.width))[:, 0]  # (B, D)
        half = self.width // 2
        return torch.cat([last[:, :half], tokens[:, 0, half:]], 1)

    @torch.no_grad()
    def _fill(self, found: dict[str, np.ndarray]) -> None:
        """Put the file's vectors into the table, and the others at their spread."""
        if not found:
            return
        numbers = self.tokenizer.backend.get_vocab()
        values = torch.from_numpy(np.stack(list(found.values())))
        table = self.words.weight
        table.normal_(0.0, float(values.std()))
        table[torch.tensor([numbers[word] for word in found])] = values
        table[self.tokenizer.pad] = 0


class BothWays(nn.Module):
    """A GRU from left to right beside one from right to left, of texts of different lengths.

    The second reads each text turned round within its own length, so that padding stays behind the words in both and
    reaches none of them: no length is read back from the device, as packing would need.

    Args:
        width: of what comes in.
        hidden: of each one's state.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.GRU(width, hidden, batch_first=True)
        self.backwards = nn.GRU(width, hidden, batch_first=True)

    def forward(self, tokens: Tensor, turned: Tensor) -> Tensor:
        """tokens (B, T, D), turned (B, T) the column that stands at each when a text is turned -> (B, T, 2 hidden)."""
        backwards = _at(self.backwards(_at(tokens, turned))[0], turned)
        return torch.cat([self.forwards(tokens)[0], backwards], 2)


def _at(tokens: Tensor, columns: Tensor) -> Tensor:
    """(B, T, D), (B, T) -> (B, T, D): tokens in another order."""
    return tokens.gather(1, columns[..., None].expand(-1, -1, tokens.shape[2]))


def _words(tokenizer: Tokenizer) -> list[str]:
    """Those of the vocabulary, the most frequent first."""
    numbers = tokenizer.backend.get_vocab()
    return sorted(numbers, key=numbers.__getitem__)[len(SPECIAL_TOKENS) :]


def _vectors(file: str | None, words: list[str], first: int = 0) -> dict[str, np.ndarray]:
    """What the file has of the words, and of its own first ones."""
    if file is None:
        return {}
    found = read_vectors(file, words, first=first)
    if found.keys().isdisjoint(words):
        raise WeightsError(
            f"{file} has none of the {len(words)} words of the training texts. do: take vectors of lower-case words"
        )
    return found


def _vocabulary(
    corpus: Corpus, file: str | None, size: int, max_length: int
) -> tuple[Tokenizer, dict[str, np.ndarray]]:
    """The tokenizer, and the vectors that the file has of its words."""
    if corpus.tokenizer_file is not None:
        tokenizer = Tokenizer.read(corpus.tokenizer_file, max_length)
        return tokenizer, _vectors(file, _words(tokenizer))
    room = size - len(SPECIAL_TOKENS)
    if corpus.texts is None:
        return whole_words((f"[unused{number}]" for number in range(room)), max_length), {}
    words = train_words(corpus.texts(), room)
    found = _vectors(file, words, first=room)
    met = frozenset(words)
    # punctuation stands apart in texts, so that no word holds any
    words += [word for word in found if word not in met and word.isalnum()][: room - len(words)]
    return whole_words(words, max_length), {word: found[word] for word in words if word in found}
