"""Imported once by the server that `tests.small.start` forks from, so that each process starts at once."""

import importlib

import torch

for module in (
    "timm",
    "transformers.models.bert.modeling_bert",
    "tensorboard",
    "matplotlib.figure",
    "rich.table",
    "medvl.cli.run",
    "medvl.data.views",
    "medvl.datasets.phantom.dataset",
    "medvl.engine.run",
    "medvl.evaluate.multilabel",
    "medvl.models.bert_encoder",
    "medvl.models.timm_encoder",
    "medvl.objectives.multilabel",
):
    importlib.import_module(module)
torch.set_num_threads(1)
