"""Naming a dataset: a stage of an experiment, or a name with parameters."""

import pytest

from medvl.cli.data.targets import read_targets
from medvl.errors import ConfigError
from tests.cli.data.conftest import PLUGIN
from tests.config.experiments import changed, write


def test_a_dataset_by_name_takes_its_parameters_and_what_all_data_sections_have(root):
    (target,) = read_targets("ward", (f"root={root}", "labels=ones", "labels.blank=ignore", "text=findings"), (PLUGIN,))
    assert target.dataset.root == root
    assert (target.selection.policy, target.selection.blank, target.selection.text) == ("ones", "ignore", "findings")
    assert target.table.num_rows == 12


def test_relative_paths_are_taken_from_where_the_user_stands(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    (target,) = read_targets("ward", ("root=ward",), (PLUGIN,))
    assert target.dataset.root == root


def test_all_problems_at_once_with_the_nearest_names():
    with pytest.raises(ConfigError) as caught:
        read_targets("phantom", ("patiens=3", "labels=oness", "resolution=big"), ())
    first, *others = sorted(caught.value.problems)
    assert "command line 'labels=oness' data.labels: expected one of none, positive_vs_rest" in first
    assert "unknown parameter 'patiens' of dataset 'phantom'. did you mean 'patients'?" in others[0]
    assert "command line 'resolution=big' data.resolution: expected int, found 'big'" in others[1]


@pytest.mark.parametrize(
    ("source", "rest", "words"),
    [
        ("phantm", (), "unknown dataset 'phantm'. did you mean 'phantom'?"),
        ("phantom", ("patients",), "a parameter is written key=value"),
        ("gone.yaml", (), "gone.yaml: no such file"),
        ("phantom", ("patients=0",), "patients is 0"),
    ],
)
def test_what_cannot_be_meant(source, rest, words):
    with pytest.raises(ConfigError, match=words):
        _ = [target.dataset for target in read_targets(source, rest, ())]


def test_stages_of_one_dataset_share_a_target_and_the_last_one_selects(tmp_path):
    (target,) = read_targets(str(write(tmp_path)), (), ())
    assert target.title == "pretrain, finetune: phantom"
    assert [selection.policy for selection in target.selections] == ["none", "positive_vs_rest"]
    assert target.selection.text == "indication"


def test_a_stage_of_its_own_and_overrides(tmp_path):
    path = str(write(tmp_path, changed(("text: indication}", "text: indication, seed: 3}"))))
    assert len(read_targets(path, (), ())) == 2
    (target,) = read_targets(path, ("pretrain", "data.patients=9", "seed=4"), ())
    assert (target.stages, target.dataset.patients, target.seed) == (["pretrain"], 9, 4)


def test_a_stage_that_is_not_there(tmp_path, data):
    path = write(tmp_path)
    with pytest.raises(ConfigError, match=r"unknown stage 'finetun'. did you mean 'finetune'"):
        data("stats", path, "finetun")
    assert "give one stage, or none for all" in data("stats", path, "pretrain", "finetune", code=2)
