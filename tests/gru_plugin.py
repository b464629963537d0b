"""A one-file plugin of a third party: a text encoder that gives tokens and a pooled vector, and can do nothing else."""

from pathlib import Path

from torch import Tensor, nn

import medvl
from medvl.models.tokenizer import Tokenizer, nominal_wordpiece, train_wordpiece


class Gru(medvl.TextEncoder):
    """Word vectors and a recurrent layer.

    Args:
        corpus: the training texts.
        width: D.
        words: entries of the vocabulary.
    """

    def __init__(self, corpus: medvl.Corpus, *, width: int = 16, words: int = 200) -> None:
        super().__init__()
        self.width, self.positions = width, 32
        self.tokenizer = _tokenizer(corpus, words)
        self.words = nn.Embedding(words, width)
        self.layer = nn.GRU(width, width, batch_first=True)

    def forward(self, ids: Tensor, mask: Tensor, needs=("pooled",)) -> dict[str, Tensor]:
        tokens, _ = self.layer(self.words(ids))  # (B, T, D)
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        return {"tokens": tokens, "pooled": (tokens * weights).sum(1) / weights.sum(1)}


def _tokenizer(corpus: medvl.Corpus, words: int) -> Tokenizer:
    if corpus.tokenizer_file is not None:
        return Tokenizer.read(Path(corpus.tokenizer_file), 32)
    return nominal_wordpiece(words, 32) if corpus.texts is None else train_wordpiece(corpus.texts(), words, 32)


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    registry.register_encoder("small_gru", Gru)
