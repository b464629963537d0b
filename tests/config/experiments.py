"""A small experiment to write, break and override."""

from pathlib import Path

from medvl.config.experiment import Experiment
from medvl.config.resolve import plugin_requests, read_tree, resolve
from medvl.plugins import Plugins

TWO_STAGES = """\
medvl: 1
name: two
plugins: [moco_cxr, mmbt]
stages:
  pretrain:
    data: {name: phantom, patients: 8, labels: none}
    views: {query: {name: plain, size: 32}, key: {name: plain, size: 32}}
    model:
      image: {name: timm, model: test_resnet}
    objective: {name: moco, queue_size: 16}
    optim: {name: sgd, lr: 0.03, schedule: cosine}
    budget: {epochs: 1, batch_size: 4}
  finetune:
    data: {name: phantom, patients: 8, text: indication}
    views: {image: {name: plain, size: 32}}
    model:
      image: {name: timm, model: test_resnet, init: pretrain.image}
      text: {name: bert, weights: none, layers: 1, width: 32}
      fusion: {name: mmbt, preset: released}
    objective: multilabel
    optim:
      name: adamw
      lr: 1e-3
    budget: {steps: 2, batch_size: 4}
    stop: {metric: val/auroc_macro}
    evaluate:
      - {name: multilabel, split: test}
"""


def write(folder: Path, text: str = TWO_STAGES, name: str = "x.yaml") -> Path:
    """The experiment as a file."""
    path = folder / name
    path.write_text(text)
    return path


def changed(*pairs: tuple[str, str]) -> str:
    """The experiment with some text replaced; each piece stands in it exactly once."""
    text = TWO_STAGES
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def read(path: Path, *overrides: str) -> Experiment:
    """The resolved experiment, with the plugins that it asks for."""
    tree = read_tree(path, overrides)
    return resolve(tree, Plugins(*plugin_requests(tree)))
