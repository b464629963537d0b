"""The phantom as a dataset: its table, its determinism, its pixels, its errors."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.dataset import SPLITS
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return Phantom(patients=300, resolution=64)


@pytest.fixture(scope="module")
def table(phantom: Phantom) -> pa.Table:
    return phantom.table()


def test_table_has_the_canonical_columns(phantom: Phantom, table: pa.Table) -> None:
    box = pa.struct([("label", pa.string())] + [(side, pa.float32()) for side in ("x", "y", "width", "height")])
    question = pa.struct([(name, pa.string()) for name in ("question", "answer", "kind")])
    expected = [(name, pa.string()) for name in ("image", "patient", "study", "view", "split")]
    expected += [(f"text.{section}", pa.string()) for section in phantom.sections]
    expected += [(f"label.{label}", pa.int8()) for label in phantom.labels]
    expected += [("boxes", pa.list_(box)), ("questions", pa.list_(question))]
    assert table.schema == pa.schema(expected)
    assert phantom.sections == ("indication", "comparison", "findings", "impression")
    for name in ("image", "patient", "study", "view", "split", "boxes", "questions"):
        assert table[name].null_count == 0
    assert len(set(table["image"].to_pylist())) == table.num_rows


def test_splits_are_by_patient_in_the_stated_shares() -> None:
    rows = Phantom(patients=3000).table().select(["patient", "split"]).to_pylist()
    split_of = {row["patient"]: row["split"] for row in rows}
    assert all(split_of[row["patient"]] == row["split"] for row in rows)
    shares = [sum(split == name for split in split_of.values()) / len(split_of) for name in SPLITS]
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.03)


def test_patients_have_one_to_three_studies_and_some_laterals(table: pa.Table) -> None:
    studies: dict[str, set[str]] = {}
    for row in table.select(["patient", "study"]).to_pylist():
        studies.setdefault(row["patient"], set()).add(row["study"])
    assert {len(one) for one in studies.values()} == {1, 2, 3}
    views = table["view"].to_pylist()
    assert set(views) == {"PA", "AP", "LATERAL"}
    assert 0.05 < views.count("LATERAL") / len(views) < 0.3


def test_a_patient_is_the_same_whatever_the_number_of_patients(phantom: Phantom, table: pa.Table) -> None:
    few = Phantom(patients=7, resolution=64)
    some = few.table()
    assert some.equals(table.slice(0, some.num_rows))
    reference = some["image"][some.num_rows - 1].as_py()
    np.testing.assert_array_equal(few.read_image(reference), phantom.read_image(reference))


def test_another_seed_gives_other_patients(phantom: Phantom, table: pa.Table) -> None:
    other = Phantom(patients=300, seed=1, resolution=64)
    assert other.table()["text.indication"] != table["text.indication"]
    both = set(table["image"].to_pylist()) & set(other.table()["image"].to_pylist())
    reference = min(both)
    assert not np.array_equal(other.read_image(reference), phantom.read_image(reference))


def test_an_image_does_not_depend_on_its_batch(phantom: Phantom, table: pa.Table) -> None:
    references = table["image"].to_pylist()[:60]
    order = np.random.default_rng(0).permutation(60)
    shuffled = phantom.read_images([references[k] for k in order])
    whole = phantom.read_images(references)
    for place, k in enumerate(order):
        np.testing.assert_array_equal(shuffled[place], whole[k])
        if place < 20:
            np.testing.assert_array_equal(phantom.read_image(references[k]), whole[k])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(-(2**63), 2**63 - 1), resolution=st.integers(16, 90), patients=st.integers(1, 4))
def test_any_seed_and_resolution_draws(seed: int, resolution: int, patients: int) -> None:
    phantom = Phantom(patients=patients, seed=seed, resolution=resolution)
    references = phantom.table()["image"].to_pylist()
    for image in phantom.read_images(references):
        assert image.dtype == np.uint8 and image.shape == (resolution, resolution)
        assert image.max() > image.min() + 50


@settings(max_examples=30, deadline=None)
@given(reference=st.text() | st.from_regex(r"phantom/\d{6}/s\d\d/(PA|AP|LATERAL|LL)", fullmatch=True))
def test_wild_references_give_an_image_or_a_data_error(reference: str) -> None:
    phantom = Phantom(patients=50, resolution=16)
    known = set(phantom.table()["image"].to_pylist())
    result = phantom.read_images([reference])[0]
    assert isinstance(result, np.ndarray if reference in known else DataError)


def test_a_bad_reference_leaves_its_neighbours_alone(phantom: Phantom, table: pa.Table) -> None:
    good = table["image"][5].as_py()
    images = phantom.read_images(["phantom/999999/s01/PA", good, "nonsense"])
    assert isinstance(images[0], DataError) and isinstance(images[2], DataError)
    np.testing.assert_array_equal(images[1], phantom.read_image(good))
    with pytest.raises(DataError, match="no image 'nonsense' among 300 patients"):
        phantom.read_image("nonsense")


def test_no_references_give_no_images(phantom: Phantom) -> None:
    assert phantom.read_images([]) == []


def test_air_is_dark_and_the_spine_is_bright(phantom: Phantom, table: pa.Table) -> None:
    clear = [
        row["image"]
        for row in table.select(["image", "view", "label.No Finding"]).to_pylist()
        if row["label.No Finding"] == 1 and row["view"] != "LATERAL"
    ]
    mean = np.mean(phantom.read_images(clear), axis=0)
    corner, spine = mean[:4, :4].mean(), mean[40:60, 29:35].mean()
    lungs = np.stack([mean[20:34, 14:22], mean[20:34, 42:50]]).mean()
    assert corner < lungs < spine - 60


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"patients": 0}, "patients is 0; it must be at least 1"),
        ({"resolution": 8}, "resolution is 8; it must be from 16 to 2048"),
        ({"resolution": 4096}, "resolution is 4096"),
        ({"seed": 2**64}, "must fit in 64 bits"),
        ({"site": "c"}, "unknown site 'c'.* known: a, b"),
        ({"patients": -1, "resolution": 0}, "2 problems"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Phantom(**parameters)


def test_fingerprint_follows_the_parameters() -> None:
    kinds = [Phantom(), Phantom(seed=1), Phantom(patients=3), Phantom(resolution=64), Phantom(site="b")]
    assert len({one.fingerprint() for one in kinds}) == len(kinds)
    assert Phantom().fingerprint() == Phantom().fingerprint()
