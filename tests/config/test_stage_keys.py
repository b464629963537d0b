"""The keys of a stage beside its components: seed, frozen slots, an objective's start, a budget of no steps."""

from pathlib import Path

import pytest
import yaml

from medvl.engine.identity import seed_of, stage_hash, stage_seed
from medvl.errors import ConfigError
from tests.config.experiments import changed, read, write

IMAGE = "image: {name: timm, model: test_resnet, init: pretrain.image}"


def hash_of(experiment, name="finetune"):
    return stage_hash(experiment, experiment.stages[name], "data", {}, "32")


def test_settings_are_kept_apart_from_parameters(tmp_path):
    text = changed(
        (IMAGE, IMAGE.replace("}", ", frozen: weights}")),
        ("objective: multilabel", "objective: {name: multilabel, init: pretrain}"),
    )
    stage = read(write(tmp_path, text)).stages["finetune"]
    assert stage.slots["image"].frozen == "weights" and "frozen" not in stage.slots["image"].parameters
    assert stage.objective.init == "pretrain"
    assert stage.plain()["objective"]["init"] == "pretrain" and stage.plain()["model"]["image"]["frozen"] == "weights"
    assert "frozen" not in stage.plain()["model"]["text"]  # what is usual is not spelled out


@pytest.mark.parametrize(
    ("written", "meant"), [("false", False), ("true", True), ("weights", "weights"), ("null", False)]
)
def test_frozen(tmp_path, written, meant):
    experiment = read(write(tmp_path), f"finetune.image.frozen={written}")
    assert experiment.stages["finetune"].slots["image"].frozen is meant or meant == "weights"
    assert experiment.stages["finetune"].slots["image"].frozen == meant


def test_a_stage_has_the_seed_of_its_experiment_or_its_own(tmp_path):
    file = write(tmp_path)
    usual, same, other = (
        read(file, "seed=3"),
        read(file, "seed=3", "finetune.seed=3"),
        read(file, "seed=3", "finetune.seed=4"),
    )
    assert [seed_of(each, each.stages["finetune"]) for each in (usual, same, other)] == [3, 3, 4]
    assert hash_of(usual) == hash_of(same) != hash_of(other)  # a table's first seed is the run that was there before
    assert hash_of(usual, "pretrain") == hash_of(other, "pretrain")
    seeds = [stage_seed(each, each.stages["finetune"]) for each in (usual, same, other)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_no_steps_need_no_optimiser(tmp_path):
    text = changed(("    optim:\n      name: adamw\n      lr: 1e-3\n", ""), ("{steps: 2, batch_size: 4}", "{steps: 0}"))
    experiment = read(write(tmp_path, text))
    stage = experiment.stages["finetune"]
    assert stage.optim is None and not stage.budget.trains and stage.budget.total_steps(7) == 0
    assert read(write(tmp_path, yaml.safe_dump(experiment.plain()))).plain() == experiment.plain()


def test_steps_need_one(tmp_path):
    with pytest.raises(ConfigError, match="stage 'finetune' needs 'optim'"):
        read(write(tmp_path, changed(("    optim:\n      name: adamw\n      lr: 1e-3\n", ""))))


@pytest.mark.parametrize(
    "make", [Path.write_bytes, lambda path, content: _model(path, content)], ids=["file", "folder"]
)
def test_a_file_that_was_replaced_is_another_stage(tmp_path, make):
    file, weights = write(tmp_path), tmp_path / "weights.pt"
    overrides = (f"finetune.image.init={weights}",)
    absent = hash_of(read(file, *overrides))
    make(weights, b"one")
    first, same = hash_of(read(file, *overrides)), hash_of(read(file, *overrides))
    make(weights, b"two")
    assert first == same != hash_of(read(file, *overrides)) and absent != first
    assert hash_of(read(file), "pretrain") == hash_of(read(file, *overrides), "pretrain")


def _model(folder, content):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(content)
