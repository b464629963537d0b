"""medvl: vision-language pre-training on chest radiographs, one framework for many methods.

These are the public names; plugins import from here and from `medvl.losses` alone. They load on first use,
so that `import medvl` never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "hookimpl": "medvl.hookspecs",
    "Registry": "medvl.registry",
    "Slot": "medvl.config.schema",
    "Feature": "medvl.contract",
    "DataSpec": "medvl.contract",
    "Layout": "medvl.models.masks.layout",
    "JointPlaces": "medvl.models.places",
    "Dataset": "medvl.data.dataset",
    "View": "medvl.data.view",
    "SampleRandom": "medvl.data.random",
    "ImageEncoder": "medvl.models.base",
    "TextEncoder": "medvl.models.base",
    "Fusion": "medvl.models.base",
    "Writing": "medvl.models.base",
    "Prefix": "medvl.models.writing.hidden",
    "HiddenWriting": "medvl.models.writing.hidden",
    "next_hidden_words": "medvl.models.writing.hidden",
    "Decoder": "medvl.models.decoders.base",
    "Model": "medvl.models.base",
    "sincos_positions": "medvl.models.positions",
    "scheme_mask": "medvl.models.masks.attention",
    "Batch": "medvl.models.base",
    "Corpus": "medvl.models.tokenizer",
    "Tokenizer": "medvl.models.tokenizer",
    "Labeler": "medvl.labelers.base",
    "Parts": "medvl.models.released_names",
    "ReleasedNames": "medvl.models.released_names",
    "load_parts": "medvl.models.released_names",
    "read_weights": "medvl.models.weights",
    "save_parts": "medvl.models.released_names",
    "one_channel": "medvl.models.channels",
    "three_channels": "medvl.models.channels",
    "Objective": "medvl.objectives.base",
    "Reconstruction": "medvl.objectives.reconstruction",
    "RestoredImages": "medvl.objectives.reconstruction",
    "RestoredTexts": "medvl.objectives.reconstruction",
    "VocabularyHead": "medvl.objectives.vocabulary_head",
    "most_chosen": "medvl.objectives.vocabulary_head",
    "mask_whole_words": "medvl.data.word_masking",
    "Evaluator": "medvl.evaluate.base",
    "Cases": "medvl.evaluate.base",
    "Result": "medvl.evaluate.base",
    "Resampling": "medvl.evaluate.resampling",
    "gather": "medvl.models.distributed",
    "gather_with_gradient": "medvl.models.distributed",
    "world": "medvl.models.distributed",
    "MedvlError": "medvl.errors",
    "ConfigError": "medvl.errors",
    "DataError": "medvl.errors",
    "WeightsError": "medvl.errors",
}

__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from medvl.config.schema import Slot as Slot
    from medvl.contract import DataSpec as DataSpec
    from medvl.contract import Feature as Feature
    from medvl.data.dataset import Dataset as Dataset
    from medvl.data.random import SampleRandom as SampleRandom
    from medvl.data.view import View as View
    from medvl.data.word_masking import mask_whole_words as mask_whole_words
    from medvl.errors import ConfigError as ConfigError
    from medvl.errors import DataError as DataError
    from medvl.errors import MedvlError as MedvlError
    from medvl.errors import WeightsError as WeightsError
    from medvl.evaluate.base import Cases as Cases
    from medvl.evaluate.base import Evaluator as Evaluator
    from medvl.evaluate.base import Result as Result
    from medvl.evaluate.resampling import Resampling as Resampling
    from medvl.hookspecs import hookimpl as hookimpl
    from medvl.labelers.base import Labeler as Labeler
    from medvl.models.base import Batch as Batch
    from medvl.models.base import Fusion as Fusion
    from medvl.models.base import ImageEncoder as ImageEncoder
    from medvl.models.base import Model as Model
    from medvl.models.base import TextEncoder as TextEncoder
    from medvl.models.base import Writing as Writing
    from medvl.models.channels import one_channel as one_channel
    from medvl.models.channels import three_channels as three_channels
    from medvl.models.decoders.base import Decoder as Decoder
    from medvl.models.distributed import gather as gather
    from medvl.models.distributed import gather_with_gradient as gather_with_gradient
    from medvl.models.distributed import world as world
    from medvl.models.masks.attention import scheme_mask as scheme_mask
    from medvl.models.masks.layout import Layout as Layout
    from medvl.models.places import JointPlaces as JointPlaces
    from medvl.models.positions import sincos_positions as sincos_positions
    from medvl.models.released_names import Parts as Parts
    from medvl.models.released_names import ReleasedNames as ReleasedNames
    from medvl.models.released_names import load_parts as load_parts
    from medvl.models.released_names import save_parts as save_parts
    from medvl.models.tokenizer import Corpus as Corpus
    from medvl.models.tokenizer import Tokenizer as Tokenizer
    from medvl.models.weights import read_weights as read_weights
    from medvl.models.writing.hidden import HiddenWriting as HiddenWriting
    from medvl.models.writing.hidden import Prefix as Prefix
    from medvl.models.writing.hidden import next_hidden_words as next_hidden_words
    from medvl.objectives.base import Objective as Objective
    from medvl.objectives.reconstruction import Reconstruction as Reconstruction
    from medvl.objectives.reconstruction import RestoredImages as RestoredImages
    from medvl.objectives.reconstruction import RestoredTexts as RestoredTexts
    from medvl.objectives.vocabulary_head import VocabularyHead as VocabularyHead
    from medvl.objectives.vocabulary_head import most_chosen as most_chosen
    from medvl.registry import Registry as Registry


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'medvl' has no public name '{name}'. known: {', '.join(sorted(_PUBLIC))}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
