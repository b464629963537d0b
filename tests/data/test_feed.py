import threading
from contextlib import closing
from itertools import islice

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medvl.data.feed import CaseArrays, Feeder, TokenArrays
from medvl.data.views.finetune import CxrFinetune
from medvl.data.views.moco_cxr import CxrMoco
from medvl.errors import ConfigError

CASES, SIDE = 41, 18
CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))
DEVICES = pytest.mark.parametrize("device", ["cpu", CUDA])


class Shelf:
    """Radiographs in memory; remembers what was asked of it."""

    side = SIDE

    def __init__(self, count=100):
        self.images = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
        self.asked = []

    def read(self, rows, out):
        self.asked.append(rows)
        return np.take(self.images, rows, axis=0, out=out)


class Labels:
    """Labels in memory."""

    def __init__(self, values):
        self.values = values

    def read(self, rows):
        return self.values[rows]


def make_cases(count=CASES, images=True):
    random = np.random.default_rng(1)
    lengths = random.integers(2, 9, 100)
    return CaseArrays(
        rows=random.permutation(100)[:count],
        images=Shelf() if images else None,
        tokens=TokenArrays(
            random.integers(1, 99, lengths.sum()).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)])
        ),
        labels=Labels(random.random((100, 3), dtype=np.float32)),
    )


def make_feeder(cases=None, **settings):
    views = {"query": CxrMoco(size=SIDE), "key": CxrFinetune(size=14)}
    settings = {"batch_size": 12, "device": "cpu", "seed": 3} | settings
    return Feeder(make_cases() if cases is None else cases, settings.pop("views", views), **settings)


def steps(feeder, count, start=0):
    with closing(feeder.train(start)) as batches:
        return list(islice(batches, count))


def by_position(batches):
    """position -> everything that the batches hold of this case, padding cut off."""
    found = {}
    for batch in batches:
        for i, position in enumerate(batch["positions"].tolist()):
            assert position not in found
            found[position] = {
                "text": batch["text.ids"][i][batch["text.mask"][i]],
                **{name: batch[name][i] for name in ("query", "key", "labels", "rows")},
            }
    return found


def same_cases(some, others):
    assert some.keys() == others.keys()
    for position, case in some.items():
        for name, value in case.items():
            assert value.equal(others[position][name]), f"{name} of case {position}"


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert [t for t in threading.enumerate() if t.name == "medvl-prefetch"] == []


@DEVICES
@pytest.mark.parametrize("resident", [False, True])
def test_a_batch_holds_each_case_s_own_fields(device, resident):
    cases = make_cases()
    feeder = make_feeder(cases, device=device, resident=resident)
    ((batch,),) = steps(feeder, 1)
    assert set(batch) == {"query", "key", "text.ids", "text.mask", "labels", "rows", "positions"}
    assert batch["query"].shape == (12, 1, SIDE, SIDE) and batch["key"].shape == (12, 1, 14, 14)
    assert batch["query"].device.type == batch["labels"].device.type == device
    assert batch["rows"].device.type == batch["positions"].device.type == "cpu"
    rows = cases.rows[batch["positions"].numpy()]
    assert batch["rows"].numpy().tolist() == rows.tolist()
    assert batch["labels"].cpu().numpy().tolist() == cases.labels.values[rows].tolist()
    ids, mask = cases.tokens.batch(rows)
    assert batch["text.ids"].cpu().numpy().tolist() == ids.tolist()
    assert batch["text.mask"].cpu().numpy().tolist() == mask.tolist()


@DEVICES
@pytest.mark.parametrize("resident", [False, True])
def test_the_pixels_are_those_of_the_row(device, resident):
    cases = make_cases()
    view = CxrMoco(size=SIDE).fixed()
    batches = list(make_feeder(cases, views={"image": CxrMoco(size=SIDE)}, device=device, resident=resident).once())
    for batch in batches:
        stored = torch.from_numpy(cases.images.images[batch["rows"].numpy()])
        assert_close(batch["image"].cpu(), view(stored, {}), atol=1e-5, rtol=0)


@DEVICES
def test_same_pixels_on_every_device(device):
    cpu, other = steps(make_feeder(), 2), steps(make_feeder(device=device), 2)
    for (a,), (b,) in zip(cpu, other, strict=True):
        # a CPU rounds to whole grey levels (see test_warp.py), over 255 * std
        assert_close(a["query"], b["query"].cpu(), atol=0.0 if device == "cpu" else 0.51 / 255 / 0.25, rtol=0)


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (1, 3), (2, 1), (2, 2), (4, 3), (12, 1)])
def test_a_step_is_the_same_whatever_world_and_accumulate(world, accumulate):
    single = steps(make_feeder(), 5)
    ranks = [steps(make_feeder(rank=r, world=world, accumulate=accumulate), 5) for r in range(world)]
    for step, whole in enumerate(single):
        shares = [batch for rank in ranks for batch in rank[step]]
        assert len(shares) == world * accumulate
        assert {len(batch["rows"]) for batch in shares} == {12 // (world * accumulate)}
        same_cases(by_position(shares), by_position(whole))


@pytest.mark.parametrize("batch_size", [1, 5, 41])
def test_same_pixels_whatever_the_batch_size(batch_size):
    feeder = make_feeder(batch_size=batch_size)
    epoch = by_position(batch for step in steps(feeder, feeder.steps_per_epoch) for batch in step)
    known = by_position(batch for step in steps(make_feeder(batch_size=41), 1) for batch in step)
    same_cases(epoch, {position: known[position] for position in epoch})


def test_an_epoch_visits_each_case_at_most_once_and_drops_the_rest():
    feeder = make_feeder()
    assert feeder.steps_per_epoch == 3
    two = steps(feeder, 6)
    first, second = (by_position(b for step in two[s : s + 3] for b in step) for s in (0, 3))
    assert len(first) == len(second) == 36
    assert list(first) != list(second)
    both = first.keys() & second.keys()
    assert all(not first[p]["query"].equal(second[p]["query"]) for p in both)


@pytest.mark.parametrize("start", [1, 3, 7])
def test_resuming_equals_never_having_stopped(start):
    uninterrupted = steps(make_feeder(accumulate=2), 10)[start:]
    resumed = steps(make_feeder(accumulate=2), 10 - start, start)
    for whole, again in zip(uninterrupted, resumed, strict=True):
        for a, b in zip(whole, again, strict=True):
            assert a.keys() == b.keys()
            assert all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_fewer_cases_than_a_batch_are_one_smaller_batch(accumulate):
    feeder = make_feeder(make_cases(7), accumulate=accumulate)
    assert feeder.steps_per_epoch == 1
    for step in steps(feeder, 3):
        assert len(step) == accumulate
        assert sorted(by_position(step)) == list(range(7))


@pytest.mark.parametrize("world", [1, 2, 3, 50])
def test_once_gives_every_case_in_order_without_randomness(world):
    shares = [list(make_feeder(batch_size=300, rank=rank, world=world).once()) for rank in range(world)]
    batches = [batch for share in shares for batch in share]
    assert torch.cat([batch["positions"] for batch in batches]).tolist() == list(range(CASES))
    again = by_position(make_feeder(seed=99).once())
    same_cases(by_position(batches), again)


def test_the_last_batch_of_once_is_short():
    assert [len(batch["rows"]) for batch in make_feeder().once()] == [12, 12, 12, 5]


def test_views_of_one_case_are_drawn_apart():
    views = {"query": CxrMoco(size=SIDE), "key": CxrMoco(size=SIDE)}
    ((batch,),) = steps(make_feeder(views=views), 1)
    assert not any(batch["query"][i].equal(batch["key"][i]) for i in range(12))


def test_without_images_texts_and_labels_only_the_rest_is_there():
    bare = CaseArrays(rows=np.arange(5))
    (batch,) = make_feeder(bare, views={}).once()
    assert set(batch) == {"rows", "positions"}


def test_no_radiograph_is_read_where_no_view_wants_one():
    cases = make_cases()
    list(make_feeder(cases, views={}).once())
    assert cases.images.asked == []


def test_rows_are_read_in_ascending_order():
    cases = make_cases()
    steps(make_feeder(cases), 3)
    assert all((np.diff(rows) > 0).all() for rows in cases.images.asked)


def test_resident_radiographs_are_read_once():
    cases = make_cases()
    feeder = make_feeder(cases, resident=True)
    streamed, resident = steps(make_feeder(), 7), steps(feeder, 7)
    assert sum(len(rows) for rows in cases.images.asked) == CASES
    for (a,), (b,) in zip(streamed, resident, strict=True):
        assert a["query"].equal(b["query"]) and a["key"].equal(b["key"])


def test_an_error_in_the_thread_reaches_the_one_who_waits():
    class Broken(Shelf):
        def read(self, rows, out):
            if len(self.asked) == 2:
                raise OSError("shard 1 is truncated")
            return super().read(rows, out)

    cases = CaseArrays(rows=np.arange(40), images=Broken())
    batches = make_feeder(cases).train()
    next(batches), next(batches)
    with pytest.raises(OSError, match="shard 1 is truncated"):
        next(batches)


def test_closing_ends_the_thread():
    batches = make_feeder().train()
    next(batches)
    assert any(t.name == "medvl-prefetch" for t in threading.enumerate())
    batches.close()
    assert not any(t.name == "medvl-prefetch" for t in threading.enumerate())


class Learned(CxrMoco):
    """A third party's view with a parameter of its own."""

    def __init__(self):
        super().__init__(size=SIDE)
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, images, parameters):
        return super().forward(images, parameters) * self.gain


def test_views_record_no_gradient_and_leave_the_switch_on():
    ((batch,),) = steps(make_feeder(views={"image": Learned()}), 1)
    assert not batch["image"].requires_grad
    with closing(make_feeder().train()) as batches:
        next(batches)
        assert torch.is_grad_enabled()


def test_sorted_windows_are_the_same_whatever_world_and_accumulate():
    single = steps(make_feeder(batch_size=4, sort_window=3), 23)
    ranks = [steps(make_feeder(batch_size=4, sort_window=3, rank=r, world=2, accumulate=2), 23) for r in range(2)]
    for step, whole in enumerate(single):
        same_cases(by_position(batch for rank in ranks for batch in rank[step]), by_position(whole))
    resumed = steps(make_feeder(batch_size=4, sort_window=3), 10, 13)
    for (a,), (b,) in zip(single[13:], resumed, strict=True):
        assert all(a[name].equal(b[name]) for name in a)


def test_sorted_windows_pad_less_and_visit_as_many():
    def padding(**settings):
        feeder = make_feeder(batch_size=4, **settings)
        batches = [batch for step in steps(feeder, feeder.steps_per_epoch) for batch in step]
        assert len(by_position(batches)) == 40
        return sum(int((~batch["text.mask"]).sum()) for batch in batches)

    assert padding(sort_window=10) < 0.4 * padding()


def test_cases_without_texts_cannot_be_sorted():
    with pytest.raises(ConfigError, match="sort_window"):
        make_feeder(CaseArrays(rows=np.arange(5)), views={}, sort_window=2)


@pytest.mark.parametrize("settings", [{"world": 5}, {"accumulate": 8}, {"batch_size": 0}])
def test_a_batch_that_cannot_be_shared_is_refused(settings):
    with pytest.raises(ConfigError, match="multiple of"):
        make_feeder(**settings)


def test_views_without_radiographs_are_refused():
    with pytest.raises(ConfigError, match="key, query want radiographs"):
        make_feeder(make_cases(images=False))


@pytest.mark.parametrize(
    ("count", "settings", "advice"),
    [
        (7, {"world": 2}, "choose batch_size 6"),
        (2, {"accumulate": 3}, "use fewer"),
        (0, {}, "use fewer"),
    ],
)
def test_too_few_cases_to_share_are_refused_before_training(count, settings, advice):
    feeder = make_feeder(make_cases(count), **settings)
    with pytest.raises(ConfigError, match=advice):
        feeder.train()


def make_questions():
    """Sixty cases on a hundred rows that share twenty radiographs."""
    cases = make_cases()
    random = np.random.default_rng(2)
    return CaseArrays(
        rows=random.permutation(100)[:60],
        images=Shelf(20),
        tokens=cases.tokens,
        image_rows=np.sort(random.integers(0, 20, 100)),
        answers=random.integers(-1, 5, 100),
    )


@DEVICES
@pytest.mark.parametrize("resident", [False, True])
def test_several_cases_may_share_a_radiograph(device, resident):
    cases = make_questions()
    view = {"image": CxrFinetune(size=SIDE)}
    batches = list(make_feeder(cases, views=view, device=device, resident=resident).once())
    rows = torch.cat([batch["rows"] for batch in batches]).numpy()
    assert rows.tolist() == cases.rows.tolist()
    assert torch.cat([batch["answers"] for batch in batches]).tolist() == cases.answers[rows].tolist()
    seen = torch.cat([batch["image"] for batch in batches]).cpu()
    alone = CaseArrays(rows=cases.image_rows[rows], images=cases.images)
    expected = torch.cat([batch["image"] for batch in make_feeder(alone, views=view, device=device).once()]).cpu()
    assert_close(seen, expected)
    assert all((np.diff(asked) > 0).all() for asked in cases.images.asked)  # each radiograph once, in one direction


def test_cases_that_share_a_radiograph_see_it_in_their_own_ways():
    cases = make_questions()
    batches = steps(make_feeder(cases, views={"image": CxrMoco(size=SIDE)}), 5)
    pixels = {row: image for (b,) in batches for row, image in zip(b["rows"].tolist(), b["image"], strict=True)}
    shared = [row for row in pixels if cases.image_rows[row] == cases.image_rows[next(iter(pixels))]]
    assert len(shared) > 1 and not pixels[shared[0]].equal(pixels[shared[1]])


class Masks:
    """Masks in memory: each of two findings has the pixels of its radiograph above a value."""

    def __init__(self, images):
        self.images = images

    def read(self, rows):
        return np.stack([self.images[rows] > value for value in (60, 200)], 1)


@pytest.mark.parametrize("resident", [False, True])
def test_masks_go_with_the_radiographs_of_their_cases(resident):
    shelf = Shelf()
    cases = CaseArrays(rows=np.random.default_rng(1).permutation(100)[:CASES], images=shelf, masks=Masks(shelf.images))
    views = {"image": CxrFinetune(size=SIDE, crop=1.0, degrees=0, mean=0.0, std=1.0), "other": CxrMoco(size=SIDE)}
    feeder = make_feeder(cases, views=views, resident=resident)
    mirrored = 0
    for batch in [micro for step in steps(feeder, 3) for micro in step] + list(feeder.once()):
        assert batch["mask"].dtype == torch.bool and batch["mask"].shape[1:] == (2, SIDE, SIDE)
        pixels = (batch["image"] * 255).round()
        assert torch.equal(batch["mask"], torch.cat([pixels > 60, pixels > 200], 1))
        stored = torch.from_numpy(shelf.images[batch["rows"].numpy()])[:, None]
        mirrored += sum(not torch.equal(one, other) for one, other in zip(pixels, stored, strict=True))
    assert mirrored > 5, "without a mirrored radiograph this would prove nothing"


def test_without_masks_or_without_the_view_there_are_none():
    shelf = Shelf()
    cases = CaseArrays(rows=np.arange(20), images=shelf, masks=Masks(shelf.images))
    assert all("mask" not in batch for batch in make_feeder(cases).once())
