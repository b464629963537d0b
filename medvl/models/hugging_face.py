"""What the text encoder asks of transformers: configurations, tokenizers, models, weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, PretrainedConfig, PreTrainedModel

from medvl.errors import ConfigError, WeightsError
from medvl.models import hub
from medvl.models.tokenizer import Tokenizer
from medvl.models.weights import read_weights

BERT_BASE = {"layers": 12, "width": 768, "positions": 512, "vocab_size": 30522}
DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")


def place(model: str, weights: bool) -> Path:
    """The folder of a model: `model` itself where it is one, else the hub's.

    Raises:
        WeightsError: neither is there.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise WeightsError(f"folder {folder} has no config.json, so it is no Hugging Face model")
        return folder
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise WeightsError(f"model folder {folder} does not exist. do: correct the path")
    return hub.folder(model, weights=weights)


def read_config(folder: Path) -> PretrainedConfig:
    """A model's configuration.

    Raises:
        ConfigError: it is of no architecture that transformers knows.
    """
    try:
        return AutoConfig.from_pretrained(folder)
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"{folder}/config.json is no configuration that transformers knows: {error}") from error


def bert_config(tokenizer: Tokenizer, sizes: Mapping[str, int]) -> PretrainedConfig:
    """The configuration of a BERT of any size (Devlin 2019, section 3).

    Args:
        tokenizer: gives the number of word embeddings and the padding id.
        sizes: layers, width, positions, and where they differ from width / 64 and 4 width, heads and intermediate.

    Raises:
        ConfigError: `width` is no multiple of `heads`.
    """
    width = sizes["width"]
    heads = sizes.get("heads", max(1, width // 64))
    if width % heads:
        raise ConfigError(f"width {width} cannot be divided among {heads} heads. do: write heads: a divisor of {width}")
    return BertConfig(
        vocab_size=tokenizer.size,
        pad_token_id=tokenizer.pad,
        num_hidden_layers=sizes["layers"],
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=sizes.get("intermediate", 4 * width),
        max_position_embeddings=sizes["positions"],
        # BERT-base's 0.02 in proportion: with it, a narrow layer would add next to nothing to what passes it by
        initializer_range=0.02 * (BERT_BASE["width"] / width) ** 0.5,
    )


def build(config: PretrainedConfig, dropout: float | None) -> PreTrainedModel:
    """The encoder of a configuration with random weights in float32; `dropout` replaces the model's own rates."""
    if dropout is not None:
        for name in DROPOUTS:
            if hasattr(config, name):
                setattr(config, name, dropout)
    return AutoModel.from_config(config, dtype="float32")


def takes_embeddings(transformer: PreTrainedModel) -> bool:
    """Whether embeddings from outside may enter, with positions, two segments and a boolean mask.

    BERT alone is known to; its eager attention would not honour a boolean mask.
    """
    config = transformer.config
    return config.model_type == "bert" and config.type_vocab_size >= 2 and config._attn_implementation == "sdpa"


def positions(transformer: PreTrainedModel) -> int:
    """The longest sequence that a model takes."""
    embeddings: nn.Module | None = getattr(transformer, "embeddings", None)
    padding = getattr(embeddings, "padding_idx", None)  # RoBERTa counts positions from behind its padding id
    return transformer.config.max_position_embeddings - (0 if padding is None else padding + 1)


def layers(transformer: PreTrainedModel) -> nn.ModuleList:
    """A model's layers, lowest first, wherever its architecture keeps them."""
    count = transformer.config.num_hidden_layers
    lists = [part for part in transformer.modules() if isinstance(part, nn.ModuleList) and len(part) == count]
    return lists[0] if lists else nn.ModuleList()


def tokenizer(folder: Path, max_length: int) -> Tokenizer:
    """A model's own tokenizer.

    Raises:
        ConfigError: it has none that the `tokenizers` package can run.
    """
    try:
        backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{folder} has no tokenizer that the tokenizers package can run: {error}") from error
    return Tokenizer(backend, max_length)


def read_state(folder: Path) -> dict[str, Tensor]:
    """All weights of a model's folder, in one or several files.

    Raises:
        WeightsError: there are none.
    """
    for patterns in hub.WEIGHTS:
        files = sorted(file for pattern in patterns for file in folder.glob(pattern))
        if files:
            state = {name: tensor for file in files for name, tensor in read_weights(file).items()}
            return {_modern(name): tensor for name, tensor in state.items()}
    raise WeightsError(f"model folder {folder} has no weights. do: fetch them, or write weights: none")


def _modern(name: str) -> str:
    """BERT's own checkpoints name a normalisation's tensors as TensorFlow does."""
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))
