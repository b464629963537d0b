"""BERT-like encoders over real tokens only: the texts of a batch end to end, none of them padded.

Of a batch of reports that is padded to its longest, 25 to 40 % are tokens; the rest is computed and thrown away. Here
embeddings, projections and feed-forward layers see one row of all real tokens, and attention keeps to each text.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ARCHITECTURES = ("bert", "roberta", "xlm-roberta", "camembert")  # those whose layers are built like BERT's


class PackedTexts:
    """Where the real tokens of a batch stand. Reads the lengths back from the device, once.

    An empty text counts as its first column alone, so that every text has a first token.

    Args:
        mask: (B, T) bool, True on real tokens.

    Attributes:
        lengths: tokens of each text, M in all.
        places: (M,) where they stand in the flattened (B, T).
        columns: (M,) where they stand in their text.
        starts: (B,) where each text begins among the M.
    """

    def __init__(self, mask: Tensor) -> None:
        mask = mask.clone()
        mask[:, 0] = True
        self.shape = mask.shape
        counts = mask.sum(1)  # (B,)
        self.lengths: list[int] = counts.tolist()
        total, longest = sum(self.lengths), max(self.lengths)
        # a stable sort brings the real places to the front in order; nonzero would read back from the device again
        self.places = torch.argsort((~mask).flatten().byte(), stable=True)[:total]
        self.columns = self.places % mask.shape[1]
        self.starts = counts.cumsum(0) - counts
        rows = self.places // mask.shape[1]
        within = torch.arange(total, device=mask.device) - self.starts[rows]  # (M,) from 0 in each text
        self._spread_places = rows * longest + within
        self._real = (torch.arange(longest, device=mask.device) < counts[:, None])[:, None, None]  # (B, 1, 1, longest)

    def pack(self, padded: Tensor) -> Tensor:
        """(B, T, ...) -> (M, ...)."""
        return padded.flatten(0, 1)[self.places]

    def unpack(self, packed: Tensor) -> Tensor:
        """(M, D) -> (B, T, D), 0 at padding."""
        batch, columns = self.shape
        flat = packed.new_zeros(batch * columns, packed.shape[1]).index_copy(0, self.places, packed)
        return flat.view(batch, columns, -1)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int, dropout: float) -> Tensor:
        """Attention of each text to itself: (M, D), or (B, D) where only first tokens ask, -> as many as asked.

        On a CPU a text is a call of its own, without masks and without padding. On a GPU so many small calls would
        leave it idle: there all texts are spread out for this one operation, a small part of a layer's work.
        """
        if query.device.type == "cpu":
            return self._attend_one_by_one(query, key, value, heads, dropout)
        return self._attend_spread(query, key, value, heads, dropout)

    def _attend_one_by_one(self, query: Tensor, key: Tensor, value: Tensor, heads: int, dropout: float) -> Tensor:
        asked = self.lengths if len(query) == len(key) else [1] * len(self.lengths)
        texts = zip(query.split(asked), key.split(self.lengths), value.split(self.lengths), strict=True)
        found = [
            F.scaled_dot_product_attention(
                by_head(q[None], heads), by_head(k[None], heads), by_head(v[None], heads), dropout_p=dropout
            )
            for q, k, v in texts
        ]
        return torch.cat(found, dim=2).transpose(1, 2).reshape(query.shape)

    def _attend_spread(self, query: Tensor, key: Tensor, value: Tensor, heads: int, dropout: float) -> Tensor:
        first_only = len(query) != len(key)
        asking = query[:, None] if first_only else self._spread(query)  # (B, 1 or longest, D)
        found = F.scaled_dot_product_attention(
            by_head(asking, heads),
            by_head(self._spread(key), heads),
            by_head(self._spread(value), heads),
            attn_mask=self._real,
            dropout_p=dropout,
        )
        flat = found.transpose(1, 2).reshape(-1, query.shape[1])
        return flat if first_only else flat[self._spread_places]

    def _spread(self, packed: Tensor) -> Tensor:
        """(M, D) -> (B, longest, D)."""
        batch, longest = len(self.lengths), self._real.shape[-1]
        flat = packed.new_zeros(batch * longest, packed.shape[1]).index_copy(0, self._spread_places, packed)
        return flat.view(batch, longest, -1)


class PaddedTexts:
    """Like `PackedTexts`, with padding computed too: it reads the real tokens of its text and is read by none.

    For losses that count padding, and for the meta device, which knows no lengths.

    Args:
        mask: (B, T) bool, True on real tokens.
    """

    def __init__(self, mask: Tensor) -> None:
        batch, columns = self.shape = mask.shape
        self.columns = torch.arange(columns, device=mask.device).repeat(batch)  # (M,), M = B T
        self.starts = torch.arange(batch, device=mask.device) * columns
        self._real = mask[:, None, None]  # (B, 1, 1, T)

    def pack(self, padded: Tensor) -> Tensor:
        """(B, T, ...) -> (M, ...)."""
        return padded.flatten(0, 1)

    def unpack(self, packed: Tensor) -> Tensor:
        """(M, D) -> (B, T, D)."""
        return packed.view(*self.shape, -1)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int, dropout: float) -> Tensor:
        """As that of `PackedTexts`."""
        asking, keys, values = (by_head(x.view(len(self.starts), -1, x.shape[1]), heads) for x in (query, key, value))
        found = F.scaled_dot_product_attention(asking, keys, values, attn_mask=self._real, dropout_p=dropout)
        return found.transpose(1, 2).reshape(query.shape)


def packs(transformer: Any) -> bool:
    """Whether `encode` knows how this Hugging Face model is built."""
    config = transformer.config
    return config.model_type in ARCHITECTURES and not config.is_decoder


def encode(
    transformer: Any,
    ids: Tensor,
    texts: PackedTexts | PaddedTexts,
    first_only: bool = False,
    added: Tensor | None = None,
) -> Tensor:
    """The last layer of a model that `packs`.

    Args:
        transformer: the Hugging Face model.
        ids: (B, T) int64.
        texts: where its real tokens stand.
        first_only: only the first token of each text is wanted; the last layer then computes no others.
        added: (B, T, D) added to the embeddings, behind their normalisation and dropout.

    Returns:
        (M, D), or (B, D) with `first_only`.
    """
    # RoBERTa counts positions from behind its padding id
    offset = getattr(transformer.embeddings, "padding_idx", -1) + 1
    words = texts.pack(ids)[None]  # (1, M)
    hidden = transformer.embeddings(
        input_ids=words, position_ids=texts.columns[None] + offset, token_type_ids=torch.zeros_like(words)
    )[0]  # (M, D)
    if added is not None:
        hidden = hidden + texts.pack(added)
    last = len(transformer.encoder.layer) - 1
    for number, layer in enumerate(transformer.encoder.layer):
        own = layer.attention.self
        asking = hidden[texts.starts] if first_only and number == last else hidden
        attended = texts.attend(
            own.query(asking),
            own.key(hidden),
            own.value(hidden),
            own.num_attention_heads,
            own.dropout.p if own.training else 0.0,
        )
        hidden = layer.feed_forward_chunk(layer.attention.output(attended, asking))
    return hidden


def by_head(tokens: Tensor, heads: int) -> Tensor:
    """(B, T, D) -> (B, heads, T, D / heads)."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)
