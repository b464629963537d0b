"""The optimiser of a stage: which weights it moves, and at which rates."""

from __future__ import annotations

from medvl.config.experiment import Stage
from medvl.engine.optimizers import Optimization
from medvl.engine.schedules import Horizon
from medvl.engine.trainable import Trainable
from medvl.errors import ConfigError


def optimization_of(stage: Stage, trainable: Trainable, horizon: Horizon) -> Optimization:
    """The stage's optimiser over what is not frozen, at the rates of its slots and blocks.

    Raises:
        ConfigError: nothing is left to train.
    """
    parameters = [parameter for parameter in trainable.parameters() if parameter.requires_grad]
    if not parameters:
        raise ConfigError(
            f"{stage.place}: every weight is frozen and the objective has none of its own, so that nothing can be "
            "trained. do: free a slot, or evaluate alone, budget: {steps: 0}"
        )
    assert stage.optim is not None  # a stage that trains has one
    image = trainable.model.image
    blocks = () if image is None else image.blocks()
    optimization = stage.optim.build(parameters=parameters, blocks=blocks, horizon=horizon)
    for slot, component in stage.slots.items():
        part = getattr(trainable.model, slot)  # None where nothing asks for the slot's features
        if component.lr_scale != 1 and part is not None:
            optimization.scale_rate(part.parameters(), component.lr_scale)
    return optimization
