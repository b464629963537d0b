"""`medvl data fake`: a miniature that the very next commands read."""

import shlex

import pytest
import yaml

from medvl.data.miniature import is_miniature
from medvl.errors import DataError, UnknownName


def test_what_it_prints_can_be_pasted_and_typed(data, tmp_path):
    out = tmp_path / "mini"
    output = data("fake", "ward", out, "--patients", 6, "--seed", 1)
    section = yaml.safe_load(output[output.index("data:") : output.index("next:")])["data"]
    assert section == {"name": "ward", "root": str(out)}
    assert is_miniature(out)
    following = shlex.split(output[output.index("next:") :].removeprefix("next: medvl data "))
    assert following[:3] == ["doctor", "ward", f"root={out}"]
    assert "undefined_metric" in data(*following[:3])
    assert "differs" not in data("verify", *following[1:3])


def test_a_seed_is_a_miniature(data, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        data("fake", "ward", tmp_path / name, "--patients", 2, "--seed", seed)
    a, b, c = ((tmp_path / name / "images" / "0_0.png").read_bytes() for name in "abc")
    assert a == b != c


def test_nothing_is_written_over(data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(DataError, match="is not empty"):
        data("fake", "ward", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_datasets_without_a_miniature_and_unknown_ones(data, tmp_path):
    with pytest.raises(DataError, match=r"'phantom' has no miniature. those that have: .*ward"):
        data("fake", "phantom", tmp_path / "x")
    with pytest.raises(UnknownName, match="did you mean 'ward'"):
        data("fake", "wardd", tmp_path / "x")
    assert not (tmp_path / "x").exists()
