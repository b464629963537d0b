"""A joint sequence that grows at its end: what stands in it is computed once, and kept as keys and values."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from medvl.models.packing import by_head


class JointCache:
    """The layers' keys and values of sequences whose tokens never see what comes after them, beginning with a prefix.

    Room for the longest sequence is taken at once, so that a step writes two columns and moves nothing. For
    evaluation: nothing is dropped out inside attention.

    Args:
        transformer: a Hugging Face model that is built like BERT.
        embeddings: (B, P, D) of the prefix, all of which sees all of it; before positions, segments, normalisation.
        positions: (B, P) or (1, P) int64.
        segments: (B, P) or (1, P) int64.
        room: most columns behind the prefix.
    """

    def __init__(self, transformer: Any, embeddings: Tensor, positions: Tensor, segments: Tensor, room: int) -> None:
        self._transformer = transformer
        self._prefix = embeddings.shape[1]
        self._columns = self._prefix + room
        self._filled = 0
        self._kept: Tensor | None = None  # (layers, 2, B, heads, columns, D / heads)
        # whose prefix each row has: among equal ones beams change places, and then it need not be copied
        self._prefixes = torch.arange(len(embeddings), device=embeddings.device)
        self._run(embeddings, positions, segments, None)
        self._filled = self._prefix

    def extend(self, embeddings: Tensor, positions: Tensor, segments: Tensor, keep: int) -> Tensor:
        """The last layer of new tokens, each of which sees what is kept and the new ones up to itself.

        Args:
            embeddings: (B, n, D).
            positions: (B, n) or (1, n) int64.
            segments: (B, n) or (1, n) int64.
            keep: so many of them, from the left, are there for later ones to see.

        Returns:
            (B, n, D).
        """
        new = embeddings.shape[1]
        allow = None
        if new > 1:
            allow = torch.ones(new, self._filled + new, dtype=torch.bool, device=embeddings.device).tril(self._filled)
        last = self._run(embeddings, positions, segments, allow)
        self._filled += keep
        return last

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, (M,) int64, in this order. A row that stays in its place costs nothing."""
        assert self._kept is not None
        if len(rows) > self._kept.shape[2]:
            self._kept = self._kept.index_select(2, rows)
        else:
            moved = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
            if len(moved):
                start = self._prefix if self._prefixes[moved].equal(self._prefixes[rows[moved]]) else 0
                columns = slice(start, self._filled)
                self._kept[:, :, moved, :, columns] = self._kept[:, :, rows[moved], :, columns]
            self._kept = self._kept[:, :, : len(rows)]
        self._prefixes = self._prefixes[rows]

    def _run(self, embeddings: Tensor, positions: Tensor, segments: Tensor, allow: Tensor | None) -> Tensor:
        hidden = self._transformer.embeddings(
            inputs_embeds=embeddings, position_ids=positions, token_type_ids=segments
        )  # (B, n, D)
        for number, layer in enumerate(self._transformer.encoder.layer):
            own = layer.attention.self
            query, key, value = (
                by_head(part(hidden), own.num_attention_heads) for part in (own.query, own.key, own.value)
            )
            keys, values = self._keep(number, key, value)
            attended = F.scaled_dot_product_attention(query, keys, values, attn_mask=allow)
            hidden = layer.feed_forward_chunk(layer.attention.output(attended.transpose(1, 2).flatten(2), hidden))
        return hidden

    def _keep(self, number: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's keys and values with the new ones behind them: (B, heads, filled + n, D / heads) each."""
        batch, heads, new, width = key.shape
        if self._kept is None:  # not before: autocast decides upon the type
            layers = len(self._transformer.encoder.layer)
            self._kept = key.new_empty(layers, 2, batch, heads, self._columns, width)
        end = self._filled + new
        self._kept[number, 0, :, :, self._filled : end] = key
        self._kept[number, 1, :, :, self._filled : end] = value
        return self._kept[number, 0, :, :, :end], self._kept[number, 1, :, :, :end]
