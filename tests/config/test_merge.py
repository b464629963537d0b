from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.config.merge import apply_override, load_tree
from medvl.config.resolve import plugin_requests, read_tree, resolve
from medvl.config.source import value_at
from medvl.errors import ConfigError, MedvlError
from medvl.plugins import Plugins
from tests.config.experiments import TWO_STAGES, read, write

FINETUNE = ("stages", "finetune")


@pytest.fixture
def file(tmp_path):
    return write(tmp_path)


def values_of(file: Path, *overrides: str, path: tuple = FINETUNE):
    return value_at(read_tree(file, overrides).values, path)


def test_a_parameter(file):
    assert values_of(file, "finetune.optim.lr=3e-4")["optim"] == {"name": "adamw", "lr": 3e-4}
    assert values_of(file, "stages.finetune.optim.lr=2")["optim"]["lr"] == 2


def test_model_may_be_left_out(file):
    for spelling in ("finetune.fusion.preset=paper", "finetune.model.fusion.preset=paper"):
        assert values_of(file, spelling)["model"]["fusion"] == {"name": "mmbt", "preset": "paper"}


@pytest.mark.parametrize("key", ["text", "expect"])
def test_a_text_s_rule_and_a_paper_s_counts_are_replaced_as_a_whole(file, tmp_path, key):
    values = {"text": ("{longest: [a, b]}", "{join: [b, c]}"), "expect": ("{train: 1, val: 2}", "{test: 3}")}[key]
    for one, other in (values, values[::-1], ("indication", values[0]), (values[1], "indication")):
        both = values_of(file, f"finetune.data.{key}={one}", f"finetune.data.{key}={other}")
        assert both["data"][key] == values_of(file, f"finetune.data.{key}={other}")["data"][key]
        child = tmp_path / "child.yaml"
        (tmp_path / "parent.yaml").write_text(
            f"extends: {file.name}\nstages: {{finetune: {{data: {{{key}: {one}}}}}}}\n"
        )
        child.write_text(f"extends: parent.yaml\nstages: {{finetune: {{data: {{{key}: {other}}}}}}}\n")
        assert values_of(child)["data"][key] == both["data"][key]


def test_another_name_restarts_its_slot(file):
    assert values_of(file, "finetune.fusion=concat")["model"]["fusion"] == {"name": "concat"}
    assert values_of(file, "finetune.fusion={name: concat, width: 3}")["model"]["fusion"] == {
        "name": "concat",
        "width": 3,
    }


def test_the_same_name_keeps_its_parameters(file):
    kept = {"name": "mmbt", "preset": "released"}
    assert values_of(file, "finetune.fusion=mmbt")["model"]["fusion"] == kept
    assert values_of(file, "finetune.fusion={image_tokens: 1}")["model"]["fusion"] == kept | {"image_tokens": 1}


def test_nothing_empties_a_slot(file):
    assert values_of(file, "finetune.fusion=null")["model"]["fusion"] is None
    assert "fusion" not in read(file, "finetune.fusion=null").stages["finetune"].slots


def test_without_a_stage_every_stage_that_has_it_is_meant(file):
    stages = values_of(file, "image.model=densenet121", "optim.lr=5", "seed=7", path=("stages",))
    assert [stage["model"]["image"]["model"] for stage in stages.values()] == ["densenet121"] * 2
    assert [stage["optim"]["lr"] for stage in stages.values()] == [5, 5]
    only = values_of(file, "fusion=concat", path=("stages",))
    assert "fusion" not in only["pretrain"]["model"]


def test_a_bare_name_takes_parameters(file):
    schedule = values_of(
        file, "pretrain.optim.schedule.warmup_steps=3", path=("stages", "pretrain", "optim", "schedule")
    )
    assert schedule == {"name": "cosine", "warmup_steps": 3}
    objective = values_of(file, "finetune.objective={head: transform}")["objective"]
    assert objective == {"name": "multilabel", "head": "transform"}
    labels = values_of(file, "data.labels.blank=ignore", path=("stages", "pretrain", "data", "labels"))
    assert labels == {"policy": "none", "blank": "ignore"}


def test_lists_by_number(file):
    assert values_of(file, "finetune.evaluate[0].replicates=5")["evaluate"][0]["replicates"] == 5
    assert values_of(file, "finetune.evaluate.0=multilabel")["evaluate"][0]["split"] == "test"  # the same name
    assert len(values_of(file, "finetune.evaluate[1]=multilabel")["evaluate"]) == 2
    with pytest.raises(ConfigError, match=r"evaluate' is a list of 1; count from 0, found '5'"):
        read_tree(file, ("finetune.evaluate[5]=multilabel",))


def test_the_last_override_wins(file):
    assert values_of(file, "finetune.optim.lr=1", "optim.lr=2")["optim"]["lr"] == 2


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("finetune.optimm.lr=1", "unknown key 'optimm'. did you mean 'optim'?"),
        ("finetun.optim.lr=1", "unknown key 'finetun'. did you mean 'finetune'?"),
        ("sed=1", "unknown key 'sed'. did you mean 'seed'?"),
        ("finetune.optim.lr", "an override is written key=value"),
        ("=3", "an override is written key=value"),
        ("stages=3", "say which stage: pretrain, finetune"),
        ("finetune.optim.lr.x=3", "'stages.finetune.optim.lr' is 0.001, which has no parts"),
        ("seed.x=3", "seed: expected int, found {'x': 3}"),
        ("extends=other.yaml", "only a file can extend another"),
        ("..=", "unknown key ''"),
    ],
)
def test_overrides_that_lead_nowhere(file, override, words):
    with pytest.raises(ConfigError) as caught:
        read(file, override)
    assert words in str(caught.value)
    assert f"command line '{override}'" in str(caught.value)


def test_an_override_for_a_part_that_no_stage_has(tmp_path):
    file = write(tmp_path, TWO_STAGES.replace("    stop: {metric: val/auroc_macro}\n", ""))
    with pytest.raises(ConfigError, match=r"no stage has 'stop'. stages: pretrain, finetune"):
        read_tree(file, ("stop.metric=val/loss",))
    stop = values_of(file, "finetune.stop.metric=val/loss")["stop"]  # named, a stage gets it
    assert stop == {"metric": "val/loss"}


def test_wrong_values_name_the_command_line(file):
    with pytest.raises(ConfigError) as caught:
        read(file, "finetune.optim.lr=quick")
    expected = "command line 'finetune.optim.lr=quick' stages.finetune.optim.lr: expected float, found 'quick'"
    assert str(caught.value) == expected


def test_extends_lays_one_file_over_another(tmp_path):
    write(tmp_path, name="base.yaml")
    over = write(
        tmp_path,
        "extends: base.yaml\nname: over\nstages:\n  finetune:\n    model: {fusion: concat}\n    optim:\n      lr: 1\n",
        "over.yaml",
    )
    tree = read_tree(over)
    stage = value_at(tree.values, FINETUNE)
    assert tree.values["name"] == "over"
    assert "extends" not in tree.values
    assert stage["model"]["fusion"] == {"name": "concat"}  # restarted
    assert stage["optim"] == {"name": "adamw", "lr": 1}  # laid over
    assert stage["model"]["image"]["init"] == "pretrain.image"  # kept
    assert tree.place((*FINETUNE, "optim", "lr")).partition(" ")[0].endswith("over.yaml:7")
    assert tree.place((*FINETUNE, "optim", "name")).partition(" ")[0].endswith("base.yaml:22")


def test_extends_gives_parameters_to_a_bare_name(tmp_path):
    write(tmp_path, name="base.yaml")
    over = write(
        tmp_path, "extends: base.yaml\nstages: {pretrain: {optim: {schedule: {warmup_steps: 2}}}}\n", "over.yaml"
    )
    optim = value_at(read_tree(over).values, ("stages", "pretrain", "optim"))
    assert optim["schedule"] == {"name": "cosine", "warmup_steps": 2}


def test_relative_paths_start_where_they_were_written(tmp_path):
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", TWO_STAGES + "runs: made\n", "base.yaml")
    over = write(tmp_path, "extends: below/base.yaml\n", "over.yaml")
    assert read(over).runs == tmp_path / "below" / "made"
    assert read(over, "runs=mine").runs == Path.cwd() / "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: gone.yaml", r"over\.yaml:1 extends: no such file: .*gone\.yaml"),
        ("extends: [a, b]", "expected the path of one file"),
        ("extends: over.yaml", r"extends itself: over\.yaml -> over\.yaml"),
        ("extends: ring.yaml", r"extends itself: over\.yaml -> ring\.yaml -> over\.yaml"),
    ],
)
def test_extends_that_lead_nowhere(tmp_path, text, words):
    write(tmp_path, "extends: over.yaml", "ring.yaml")
    with pytest.raises(ConfigError, match=words):
        load_tree(write(tmp_path, text, "over.yaml"))


KEYS = st.sampled_from(
    ["stages", "finetune", "pretrain", "model", "fusion", "image", "text", "optim", "schedule", "lr", "name", "data",
     "labels", "views", "query", "evaluate", "evaluate[0]", "stop", "budget", "init", "plugins", "plugins[0]", "seed",
     "runs", "0", "", "metric", "zzz", "assume", "expect", "train"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["1", "1e-4", "null", "true", "[]", "{}", "{name: moco}", "concat", "{1: 2}", "${seed}", "${", "${nope}", "???",
         "[1, {name: x}]", "bce", "-1", ".nan", "pretrain.image", "{name: 3}", "!!binary aGk="]
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [("runs", "\0"), ("plugins", "['\0.py']"), ("runs", "~nobody9"), ("finetune.image.init", "~nobody9")],
)
def test_what_no_path_can_be_is_refused(two_stages, key, value):
    with pytest.raises(ConfigError, match=r"NUL|no such user"):
        tree = read_tree(two_stages, (f"{key}={value}",))
        resolve(tree, Plugins(*plugin_requests(tree)))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=5).map(".".join), VALUES), min_size=1, max_size=3))
def test_whatever_is_typed_gives_an_experiment_or_a_config_error(two_stages, overrides):
    try:
        tree = read_tree(two_stages, tuple(f"{key}={value}" for key, value in overrides))
        files, names = plugin_requests(tree)
    except ConfigError as error:
        assert str(error)
        return
    try:
        resolve(tree, Plugins(files, names))
    except MedvlError as error:
        assert str(error)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_override_or_a_config_error(two_stages, text):
    tree = load_tree(two_stages)
    try:
        apply_override(tree, text)
    except ConfigError as error:
        assert "command line" in str(error)


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory):
    return write(tmp_path_factory.mktemp("two"))
