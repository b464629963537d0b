import pytest

from medvl.config.why import explain
from medvl.errors import ConfigError
from tests.config.experiments import read, write


@pytest.fixture
def file(tmp_path):
    return write(tmp_path)


def test_a_value_of_the_file(file):
    first, second = explain(read(file), "finetune.optim.lr")
    assert first == "stages.finetune.optim.lr = 0.001"
    assert second.startswith("  set 0.001 at ")
    assert second.endswith("x.yaml:23")


def test_every_layer_the_last_first(tmp_path, file):
    over = write(tmp_path, "extends: x.yaml\nstages: {finetune: {optim: {lr: 2}}}\n", "over.yaml")
    value, *written = explain(read(over, "optim.lr=3"), "finetune.optim.lr")
    assert value.endswith("= 3.0")
    assert [line.split(" at ")[0].strip() for line in written] == ["set 3", "was 2", "was 0.001"]
    assert [line.rpartition("/")[2].rpartition(" at ")[2] for line in written] == [
        "command line 'optim.lr=3'", "over.yaml:2", "x.yaml:23",
    ]  # fmt: skip


def test_a_default_names_the_component_that_holds_it(file):
    experiment = read(file)
    for key, words in [
        ("finetune.fusion.image_pool", "default of fusion 'mmbt' ("),
        ("finetune.model.text.pool", "default of encoder 'bert' ("),
        ("finetune.optim.weight_decay", "default of optimizer 'adamw' ("),
        ("finetune.views.image.size", "set 32 at"),
        ("finetune.evaluate[0].replicates", "default of evaluator 'multilabel' ("),
        ("finetune.budget.accumulate", "default of 'budget'"),
        ("finetune.data.seed", "default of dataset 'phantom' ("),
        ("device", "default of an experiment"),
    ]:
        assert words in explain(experiment, key)[1], key


def test_a_bare_name_is_where_the_name_was_written(file):
    assert explain(read(file), "finetune.objective.name")[1].endswith("x.yaml:20")
    overridden = explain(read(file, "finetune.fusion=concat"), "finetune.fusion.name")
    assert overridden[1] == "  set 'concat' at command line 'finetune.fusion=concat'"


def test_parts_of_a_mapping_from_the_command_line(file):
    experiment = read(file, "finetune.fusion={name: concat, width: 3}")
    assert explain(experiment, "finetune.fusion.width")[1].startswith("  set 3 at command line")


def test_a_key_that_is_not_there(file):
    with pytest.raises(ConfigError, match=r"--why finetune.optim.lrr: no such key. did you mean 'finetune.optim.lr'\?"):
        explain(read(file), "finetune.optim.lrr")
    for key in ("", ".", "stages.nothing", "finetune[3]"):
        with pytest.raises(ConfigError, match="no such key"):
            explain(read(file), key)
