from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from medvl_moco_cxr.objective import MoCo
from medvl_moco_cxr.queue import KeyQueue
from sklearn.linear_model import RidgeClassifier
from torch import nn

import medvl
from medvl.engine.optimizers import adam
from medvl.engine.schedules import Horizon, constant
from medvl.models.base import ImageEncoder, Model
from tests.golden_fixtures import golden
from tests.plugins.moco_toy import ConvNet, Flat, make, train_step, trainable, views


@pytest.fixture(params=["moco_v2_three_steps"])
def fixture(request):
    return golden(request.param)


def load(fixture, encoder: nn.Module, head: nn.Module, side: str) -> None:
    """Fill a query or key encoder from the fixture's `encoder_q` or `encoder_k`."""
    state = fixture.part(f"state.{side}")
    head.load_state_dict({name[3:]: value for name, value in state.items() if name.startswith("fc.")})
    encoder.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")})


def test_golden_three_steps(fixture):
    config = fixture.config
    layout = config["base_encoder"]
    model = Model(image=ConvNet(layout["layers"], layout["channels"], inputs=config["image"][0]))
    objective = MoCo(
        model,
        queue_size=config["queue_length"],
        momentum=config["momentum"],
        temperature=config["temperature"],
        dim=config["feature_dim"],
        head="mlp" if config["mlp_head"] else "linear",
    )
    load(fixture, model.image, objective.head, "encoder_q")
    load(fixture, objective.key_image, objective.key_head, "encoder_k")
    objective.queue.keys.copy_(fixture.tensors["state.queue"].T)
    objective.queue.pointer.copy_(fixture.tensors["state.queue_ptr"][0])
    settings = {name: config["optimizer"][name] for name in ("lr", "betas", "eps", "weight_decay")}
    optimizer = adam(trainable(model, objective), **settings, schedule=constant(Horizon(3, 1))).optimizer
    seen: list[torch.Tensor] = []
    logits_of = objective.loss.logits
    objective.loss.logits = lambda *args: seen.append(logits_of(*args)) or seen[-1]

    steps = sorted({name.split(".")[0] for name in fixture.part("in")})
    for step in steps:
        batch = {view: fixture.tensors[f"in.{step}.{view}"] for view in objective.views}
        (loss,) = train_step(model, objective, optimizer, batch)
        out = f"out.{step}."
        fixture.close(torch.tensor(loss), out + "loss")
        fixture.close(seen[-1], out + "logits")
        fixture.close(100 * (seen[-1].argmax(1) == 0).float().mean(), out + "top1")
        fixture.close(objective.queue.keys.T, out + "queue")
        fixture.close(objective.queue.pointer[None], out + "queue_ptr")
        sides = {"encoder_q": (model.image, objective.head), "encoder_k": (objective.key_image, objective.key_head)}
        for side, (encoder, head) in sides.items():
            ours = encoder.state_dict() | {f"fc.{name}": value for name, value in head.state_dict().items()}
            for name in fixture.part(out + side):
                fixture.close(ours[name], f"{out}{side}.{name}")
        gradients = dict(model.image.named_parameters()) | {f"fc.{n}": p for n, p in objective.head.named_parameters()}
        for name in fixture.part(out + "grad"):
            fixture.close(gradients[name].grad, f"{out}grad.{name}")
    assert fixture.part(f"out.{steps[-1]}.encoder_q")


@pytest.fixture(params=["huang_author_losses"])
def huang(request):
    return golden(request.param)


class Given(ImageEncoder):
    """Gives its input back, so that a fixture's projections reach the loss as they are."""

    tokens_width = pooled_width = 1
    tokens = 1

    def forward(self, images, needs=("pooled",)):
        return {"pooled": images}


def test_golden_symmetric_form_with_two_queues(huang):
    config = huang.config
    model = Model(image=Given())
    objective = MoCo(
        model,
        symmetric=True,
        queue_size=config["queue"],
        dim=config["dim"],
        temperature=config["temperature_clip_moco"],
    )
    objective.head = nn.Identity()
    first, second, keys, queues = (huang.tensors[f"in.{name}"] for name in ("view1", "view2", "key1", "queue"))
    views = {"query": first.clone().requires_grad_(), "key": second.clone().requires_grad_()}
    given = iter([huang.tensors["in.key2"], keys])  # what the key encoder made of the second view and of the first
    objective.keys = lambda images: next(given)
    objective.queue.keys.copy_(queues[1].T)
    objective.mirror_queue.keys.copy_(queues[0].T)
    loss = objective(model, views)["info_nce"]
    huang.close(loss, "out.moco")
    loss.backward()
    huang.close(views["query"].grad, "out.grad.moco.0")
    huang.close(views["key"].grad, "out.grad.moco.1")


def test_golden_momentum_that_takes_statistics_along(huang):
    encoder = Flat(16, width=4, norm=True)
    model = Model(image=encoder)
    objective = MoCo(model, queue_size=4, dim=4, momentum=0.9, momentum_statistics=True)
    statistics = encoder.net[2], objective.key_image.net[2]
    for module, side in zip(statistics, ("source", "target"), strict=True):
        module.load_state_dict(huang.part(f"in.momentum_{side}"))
    objective.before_step(model)
    for name, value in objective.key_image.net[2].state_dict().items():
        huang.close(value, f"out.momentum_target.{name}")


def test_the_symmetric_form_is_the_mean_of_both_ways_and_keeps_the_keys_of_each_view():
    model, objective = make(symmetric=True)
    images = views(3, 1)
    mirrored = {"query": images["key"], "key": images["query"]}
    one_way, other_way = make()[1], make()[1]
    for plain, queue in ((one_way, objective.queue), (other_way, objective.mirror_queue)):
        plain.load_state_dict(objective.state_dict(), strict=False)
        plain.queue.load_state_dict(queue.state_dict())
    expected = (one_way(model, images)["info_nce"] + other_way(model, mirrored)["info_nce"]) / 2
    train_step(model, objective, torch.optim.SGD(trainable(model, objective), lr=0.0), images)
    torch.testing.assert_close(objective.queue.keys[:3], one_way.keys(images["key"]))
    torch.testing.assert_close(objective.mirror_queue.keys[:3], one_way.keys(images["query"]))
    for queue, keys in ((objective.queue, one_way), (objective.mirror_queue, other_way)):
        queue.load_state_dict(keys.queue.state_dict())
    torch.testing.assert_close(objective(model, images)["info_nce"], expected)


@given(size=st.integers(1, 12), counts=st.lists(st.integers(1, 30), max_size=6))
def test_the_queue_is_a_ring_of_the_latest_keys(size, counts):
    queue = KeyQueue(size, 2)
    ring, place, number = queue.keys.tolist(), 0, 0
    for count in counts:
        keys = [[float(number + i), -1.0] for i in range(count)]
        number += count
        for key in keys:
            ring[place] = key
            place = (place + 1) % size
        queue.enqueue(torch.tensor(keys))
        assert queue.keys.tolist() == ring
        assert queue.pointer.item() == place


def test_a_fresh_queue_holds_unit_vectors_and_is_saved():
    queue = KeyQueue(50, 6)
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(50))
    assert set(queue.state_dict()) == {"keys", "pointer"}


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_the_key_encoder_starts_as_a_copy_and_moves_by_momentum(momentum):
    model, objective = make(momentum=momentum)
    keys = [*objective.key_image.parameters(), *objective.key_head.parameters()]
    queries = [*model.image.parameters(), *objective.head.parameters()]
    before = [key.clone() for key in keys]
    assert all(torch.equal(key, query) for key, query in zip(keys, queries, strict=True))
    with torch.no_grad():
        for query in queries:
            query.add_(torch.randn_like(query))
    objective.before_step(model)
    for key, old, query in zip(keys, before, queries, strict=True):
        torch.testing.assert_close(key, momentum * old + (1 - momentum) * query)


def test_batch_statistics_of_the_key_encoder_are_its_own():
    model, objective = make(norm=True)
    optimizer = torch.optim.SGD(trainable(model, objective), lr=0.1)
    statistics = objective.key_image.net[2]
    train_step(model, objective, optimizer, views(6, 1))
    own = statistics.running_mean.clone()
    assert not torch.equal(own, model.image.net[2].running_mean)
    objective.before_step(model)
    assert torch.equal(statistics.running_mean, own)


def test_key_parts_have_batch_statistics_of_their_own_and_come_back_in_order():
    _, objective = make(norm=True, bn_splits=2)
    images = views(6, 1)["key"]
    torch.manual_seed(5)
    keys = objective.keys(images)
    torch.manual_seed(5)
    order = torch.randperm(6)
    parts = [objective.key_head(objective.key_image(part)["pooled"]) for part in images[order].chunk(2)]
    expected = torch.nn.functional.normalize(torch.cat(parts), dim=1)
    torch.testing.assert_close(keys[order], expected)
    whole = make(norm=True)[1].keys(images)
    assert not torch.allclose(keys, whole)


def test_without_batch_norm_splitting_the_keys_changes_nothing():
    images = views(7, 1)["key"]
    torch.testing.assert_close(make(bn_splits=3)[1].keys(images), make()[1].keys(images))


def test_accumulation_moves_once_and_enqueues_the_keys_of_all_micro_batches_once():
    model, objective = make()
    optimizer = torch.optim.SGD(trainable(model, objective), lr=0.1)
    old = objective.queue.keys.clone()
    batches = [views(3, 1), views(4, 2)]
    train_step(model, objective, optimizer, *batches)
    keys = torch.cat([objective.keys(batch["key"]) for batch in batches])
    torch.testing.assert_close(objective.queue.keys, torch.cat([keys, old[7:]]))
    assert objective.queue.pointer.item() == 7
    train_step(model, objective, optimizer, views(5, 3))
    assert objective.queue.pointer.item() == 2


def test_evaluation_leaves_no_trace():
    model, objective = make(norm=True)
    optimizer = torch.optim.SGD(trainable(model, objective), lr=0.1)
    model.eval(), objective.eval()
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    losses = [objective(model, views(5, 1))["info_nce"].item() for _ in range(2)]
    assert losses[0] == losses[1]
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())
    model.train(), objective.train()
    train_step(model, objective, optimizer, views(4, 2))
    assert objective.queue.pointer.item() == 4


def test_keys_of_a_step_that_was_given_up_never_enter_the_queue():
    model, objective = make()
    objective.before_step(model)
    objective(model, views(6, 1))
    train_step(model, objective, torch.optim.SGD(trainable(model, objective), lr=0.1), views(3, 2))
    assert objective.queue.pointer.item() == 3


def test_only_the_query_side_learns():
    model, objective = make()
    objective(model, views(4, 1))["info_nce"].backward()
    learning = {id(p) for p in [*model.image.parameters(), *objective.head.parameters()]}
    everything = [*model.parameters(), *objective.parameters()]
    assert {id(p) for p in everything if p.grad is not None} == learning
    assert {id(p) for p in trainable(model, objective)} == learning


def test_a_resumed_run_goes_on_bit_for_bit():
    model, objective = make(norm=True)
    optimizer = torch.optim.Adam(trainable(model, objective), lr=0.01)
    for step in range(3):
        train_step(model, objective, optimizer, views(4, step))
    resumed_model, resumed = make(seed=9, norm=True)
    resumed_optimizer = torch.optim.Adam(trainable(resumed_model, resumed), lr=0.01)
    pairs = [(resumed_model, model), (resumed, objective), (resumed_optimizer, optimizer)]
    for new, old in pairs:
        new.load_state_dict(deepcopy(old.state_dict()))
    for step in range(3, 5):
        batch = views(4, step)
        expected = train_step(model, objective, optimizer, batch)
        assert train_step(resumed_model, resumed, resumed_optimizer, batch) == expected
    for new, old in pairs[:2]:
        assert all(torch.equal(value, old.state_dict()[name]) for name, value in new.state_dict().items())


def test_heads_and_exports():
    model, objective = make(head="linear")
    assert set(objective.exports(model)) == {"image", "projection"}
    assert objective.exports(model)["image"] is model.image
    assert isinstance(objective.head, nn.Linear)
    assert [type(layer) for layer in make(head="mlp")[1].head] == [nn.Linear, nn.ReLU, nn.Linear]
    normed = make(head="mlp_bn")[1].head
    assert [type(layer) for layer in normed] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert normed[0].bias is None


def test_a_step_reads_nothing_back_from_the_device():
    with torch.device("meta"):  # takes no memory, and refuses to give values away
        model, objective = make(queue_size=10**9, norm=True)
        batch = {name: torch.empty(3, 1, 4, 4) for name in objective.views}
    objective.before_step(model)
    loss = objective(model, batch)["info_nce"]
    loss.backward()
    objective.after_step(model)
    assert loss.shape == ()
    assert objective.queue.keys.shape == (10**9, 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"queue_size": 0}, "queue_size must be at least 1"),
        ({"momentum": 1.5}, "momentum must lie between 0 and 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"bn_splits": 0}, "bn_splits must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(medvl.ConfigError, match=message):
        make(**settings)


def test_it_learns_features_that_separate_what_the_views_share():
    torch.manual_seed(0)
    content = torch.randn(400, 6)  # what both views of an image share; its signs are the classes
    classes = 2 * (content[:, 0] > 0).long() + (content[:, 1] > 0).long()
    shared, varying = torch.randn(6, 64), torch.randn(20, 64)

    def view() -> torch.Tensor:
        return (content @ shared + torch.randn(400, 20) @ varying).view(-1, 1, 8, 8)

    def separability(model: Model) -> float:
        model.eval()
        with torch.no_grad():
            features = model.image(view())["pooled"].numpy()
        model.train()
        return RidgeClassifier().fit(features[:100], classes[:100]).score(features[100:], classes[100:])

    model = Model(image=Flat(64, width=64, norm=True))
    objective = MoCo(model, queue_size=256, dim=16, momentum=0.9)
    optimizer = torch.optim.Adam(trainable(model, objective), lr=3e-3)
    before, losses = separability(model), []
    for _ in range(300):
        rows = torch.randperm(400)[:64]
        losses += train_step(model, objective, optimizer, {"query": view()[rows], "key": view()[rows]})
    assert sum(losses[-10:]) / 10 < sum(losses[:10]) / 10 - 1.5
    assert separability(model) > before + 0.1
