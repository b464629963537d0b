"""BERT, and Hugging Face encoders like it, as a text encoder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from medvl.errors import ConfigError, WeightsError
from medvl.models import attentions, flex, hugging_face, packing
from medvl.models.base import TextEncoder
from medvl.models.joint_cache import JointCache
from medvl.models.masks.attention import SchemeMask, as_attention_mask
from medvl.models.tokenizer import Corpus, Tokenizer, nominal_wordpiece, train_wordpiece
from medvl.models.weights import Coverage, load_weights, read_weights, take_prefix

if TYPE_CHECKING:
    from transformers import PretrainedConfig

DEFAULT_MODEL = "bert-base-uncased"


class BertEncoder(TextEncoder):
    """A BERT-like encoder (Devlin 2019): a pre-trained one by name or folder, or a random one of any size.

    - `model: bert-base-uncased`: from the hub, or from a local folder in the same form.
    - `model: ..., weights: none`: its architecture and tokenizer, random weights.
    - `weights: none, layers: 2, width: 128`: a random BERT; its WordPiece vocabulary is trained on the corpus.

    Args:
        corpus: the training texts and the tokenizer of an earlier stage; given by the stage.
        model: name on the hub or local folder; None is bert-base-uncased, or a random BERT with `weights: none`.
        weights: `pretrained` (those of `model`), `none` (random), or a file (.safetensors, .pth, .pt).
        prefix: what stands before the names in the weights file, e.g. `text.transformer.`; found by itself where
            only one fits.
        layers, width, heads, intermediate, positions, vocab_size: a random BERT's; None is BERT-base's (12, 768,
            width / 64, 4 width, 512, 30522). `vocab_size` is the most entries of a trained vocabulary.
        max_length: most tokens of a text, [CLS] and [SEP] included; at most `positions`.
        dropout: rate in [0, 1) after embeddings, sub-layers and attention; None keeps the model's own (BERT: 0.1).
        pool: what `pooled` is: the last layer at [CLS], the mean of real tokens, or BERT's tanh pooler.
        attention: how joint sequences attend: `sdpa` with dense masks; `flex` with block masks on a GPU, which leave
            out what a scheme forbids, and without dropout inside attention. Elsewhere `flex` takes dense masks too.
        frozen_layers: so many of the lowest layers keep the weights that they start with; embeddings do train.
        expected: least share of tensors that the weights must cover, in [0, 1].

    Attributes:
        transformer: the Hugging Face model.
        place: its local folder, or None for a random BERT.

    Raises:
        ConfigError: parameters that contradict each other.
        WeightsError: the model or its weights cannot be had, or do not fit.
    """

    smoke = MappingProxyType(
        {
            "model": None, "weights": "none", "prefix": None, "layers": 2, "width": 64, "heads": 2, "intermediate": 128,
            "vocab_size": 1000, "max_length": 64, "frozen_layers": 1,
        }
    )  # fmt: skip

    def __init__(
        self,
        corpus: Corpus,
        *,
        model: str | None = None,
        weights: str = "pretrained",
        prefix: str | None = None,
        layers: int | None = None,
        width: int | None = None,
        heads: int | None = None,
        intermediate: int | None = None,
        positions: int | None = None,
        vocab_size: int | None = None,
        max_length: int = 128,
        dropout: float | None = None,
        pool: Literal["cls", "mean", "pooler"] = "cls",
        attention: Literal["sdpa", "flex"] = "sdpa",
        frozen_layers: int = 0,
        expected: float = 0.95,
    ) -> None:
        super().__init__()
        if model is None and weights == "pretrained":
            model = DEFAULT_MODEL
        sizes = {
            "layers": layers, "width": width, "heads": heads, "intermediate": intermediate, "positions": positions,
            "vocab_size": vocab_size,
        }  # fmt: skip
        given = {name: value for name, value in sizes.items() if value is not None}
        self.place: Path | None = None
        if model is None:
            config = self._random(corpus, weights, max_length, given)
        else:
            config = self._named(corpus, model, weights, max_length, given)
        self.transformer: Any = hugging_face.build(config, dropout)  # architectures differ in what they have
        self.width = config.hidden_size
        self.positions = hugging_face.positions(self.transformer)
        self.pooling = pool
        joint = hugging_face.takes_embeddings(self.transformer)
        able = {"joint": joint, "attentions": joint, "conditioned": packing.packs(self.transformer)}
        self.capabilities = frozenset(name for name, there in able.items() if there)
        self._check(model or "a random BERT", attention)
        if attention == "flex":
            flex.enable(self.transformer)
        self.attention: Literal["sdpa", "flex"] = attention
        self._freeze(frozen_layers)
        self.coverage = self._load(model or weights, weights, prefix, expected)

    def forward(self, ids: Tensor, mask: Tensor, needs: Collection[str] = ("pooled",)) -> dict[str, Tensor]:
        """ids (B, T) int64, mask (B, T) bool True on real tokens -> those of tokens (B, T, D), pooled (B, D).

        What stands in `tokens` at padding means nothing.
        """
        if packing.packs(self.transformer) and ids.device.type != "meta":
            return self._packed(ids, mask, needs)
        # transformers reads a two-dimensional mask back from the device to see whether all of it is true
        allow = as_attention_mask(mask) if "joint" in self.capabilities else mask.long()
        tokens = self.transformer(input_ids=ids, attention_mask=allow).last_hidden_state  # (B, T, D)
        return self._wanted(tokens, mask, needs)

    @property
    def table(self) -> Tensor:
        """The word embeddings (V, D), which a vocabulary head may share."""
        return self.transformer.get_input_embeddings().weight

    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings alone, without positions, segments or normalisation: (B, T) -> (B, T, D)."""
        return self.transformer.get_input_embeddings()(ids)

    def joint(self, embeddings: Tensor, positions: Tensor, segments: Tensor, allow: Tensor | SchemeMask) -> Tensor:
        """The transformer over embeddings from anywhere, see `TextEncoder.joint`: (B, S, D) -> (B, S, D)."""
        return self.transformer(
            inputs_embeds=embeddings,
            position_ids=positions,
            token_type_ids=segments,
            attention_mask=self._joint_mask(allow),
        ).last_hidden_state

    def conditioned(self, ids: Tensor, mask: Tensor, added: Tensor, *, padding: bool = False) -> Tensor:
        """Words and vectors from outside, see `TextEncoder.conditioned`: (B, T), (B, T, D) -> (B, T, D)."""
        texts = packing.PaddedTexts(mask) if padding or ids.is_meta else packing.PackedTexts(mask)
        return texts.unpack(packing.encode(self.transformer, ids, texts, added=added))

    def joint_cache(self, embeddings: Tensor, positions: Tensor, segments: Tensor, room: int) -> JointCache:
        """A joint sequence that grows, see `TextEncoder.joint_cache`: (B, P, D) and room for as many tokens."""
        return JointCache(self.transformer, embeddings, positions, segments, room)

    def _joint_mask(self, allow: Tensor | SchemeMask) -> Any:
        if (
            self.attention == "flex"
            and isinstance(allow, SchemeMask)
            and flex.takes_blocks(allow.layout.lengths.device)
        ):
            return allow.blocks()
        return as_attention_mask(allow)

    @contextmanager
    def attentions(self) -> Iterator[list[Tensor]]:
        """See `TextEncoder.attentions`: inside, joint sequences attend with dense masks whatever `attention` says."""
        before, self.attention = self.attention, "sdpa"
        try:
            with attentions.watched(self.transformer) as maps:
                yield maps
        finally:
            self.attention = before

    def pool(self, tokens: Tensor) -> Tensor:
        """BERT's pooler, tanh(W x + b) at the first token: (B, S, D) -> (B, D)."""
        return self.transformer.pooler(tokens)

    def _packed(self, ids: Tensor, mask: Tensor, needs: Collection[str]) -> dict[str, Tensor]:
        """Like `forward`, over real tokens only; tokens are 0 at padding."""
        texts = packing.PackedTexts(mask)
        if "tokens" in needs or self.pooling == "mean":
            return self._wanted(texts.unpack(packing.encode(self.transformer, ids, texts)), mask, needs)
        first = packing.encode(self.transformer, ids, texts, first_only=True)[:, None]  # (B, 1, D)
        return self._wanted(first, mask, needs)

    def _wanted(self, tokens: Tensor, mask: Tensor, needs: Collection[str]) -> dict[str, Tensor]:
        found = {"tokens": tokens} if "tokens" in needs else {}
        if "pooled" in needs:
            found["pooled"] = self._pooled(tokens, mask)
        return found

    def _pooled(self, tokens: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            return tokens[:, 0]
        if self.pooling == "pooler":
            return self.pool(tokens)
        real = mask[..., None].to(tokens.dtype)  # (B, T, 1)
        return (tokens * real).sum(1) / real.sum(1).clamp(min=1)

    def _random(self, corpus: Corpus, weights: str, max_length: int, given: dict[str, int]) -> PretrainedConfig:
        """Sizes from the parameters, vocabulary from the corpus or from beside the weights."""
        sizes = hugging_face.BERT_BASE | given
        file = corpus.tokenizer_file or _beside(weights)
        if file is not None:
            self.tokenizer = Tokenizer.read(file, max_length)
        elif corpus.texts is None:
            self.tokenizer = nominal_wordpiece(sizes["vocab_size"], max_length)
        else:
            self.tokenizer = train_wordpiece(corpus.texts(), sizes["vocab_size"], max_length)
        return hugging_face.bert_config(self.tokenizer, sizes)

    def _named(
        self, corpus: Corpus, model: str, weights: str, max_length: int, given: dict[str, int]
    ) -> PretrainedConfig:
        """Sizes and vocabulary from a model on the hub or in a folder."""
        if given:
            raise ConfigError(
                f"{', '.join(given)}: these size a random BERT, but model '{model}' brings its own. "
                "do: leave them out, or write weights: none without a model"
            )
        self.place = hugging_face.place(model, weights=weights == "pretrained" and not _on_meta())
        config = hugging_face.read_config(self.place)
        file = corpus.tokenizer_file
        self.tokenizer = Tokenizer.read(file, max_length) if file else hugging_face.tokenizer(self.place, max_length)
        return config

    def _load(self, source: str, weights: str, prefix: str | None, expected: float) -> Coverage | None:
        if weights == "none" or _on_meta():
            return None
        if weights == "pretrained":
            assert self.place is not None, "pretrained weights belong to a named model"
            state = hugging_face.read_state(self.place)
        else:
            state = read_weights(weights)
        state = take_prefix(state, self.transformer, source=source, prefix=prefix)
        return load_weights(self.transformer, state, source=source, expected=expected)

    def _freeze(self, count: int) -> None:
        """Take the lowest layers out of training. They have no state but their parameters."""
        layers = hugging_face.layers(self.transformer)
        if not 0 <= count <= len(layers):
            raise ConfigError(f"frozen_layers must lie between 0 and the {len(layers)} layers there are, not {count}")
        for layer in layers[:count]:
            layer.requires_grad_(False)

    def _check(self, name: str, attention: str) -> None:
        if attention == "flex" and "joint" not in self.capabilities:
            raise ConfigError(f"attention: flex is asked of {name}, which takes no joint sequences. do: leave it out")
        if self.tokenizer.max_length > self.positions:
            raise ConfigError(
                f"max_length {self.tokenizer.max_length} is more than the {self.positions} positions of {name}. "
                f"do: write max_length: {self.positions} or less"
            )
        rows = self.transformer.get_input_embeddings().num_embeddings
        if self.tokenizer.size > rows:
            raise ConfigError(
                f"the tokenizer has {self.tokenizer.size} ids, {name} has embeddings for {rows}. "
                "do: use the tokenizer that belongs to the model"
            )
        if self.pooling == "pooler" and not isinstance(getattr(self.transformer, "pooler", None), nn.Module):
            raise ConfigError(f"pool: pooler is asked of {name}, which has none. do: write pool: cls or pool: mean")


def _beside(weights: str) -> Path | None:
    """The tokenizer that belongs to a weights file; trained weights mean nothing under another vocabulary."""
    if weights == "none":
        return None
    file = Path(weights).with_name("tokenizer.json")
    if not file.is_file():
        raise WeightsError(
            f"weights '{weights}' have no tokenizer.json beside them. do: put it there, or name their model:"
        )
    return file


def _on_meta() -> bool:
    return torch.get_default_device().type == "meta"
