"""From studies to pixels: posture, anatomy, findings, exposure, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom import anatomy as phantom_anatomy
from medvl.datasets.phantom import findings as phantom_findings
from medvl.datasets.phantom import lateral as phantom_lateral
from medvl.datasets.phantom.anatomy import Layers, Torso, draw_torso
from medvl.datasets.phantom.cases import Studies
from medvl.datasets.phantom.findings import Placed
from medvl.datasets.phantom.pleura import Gas
from medvl.datasets.phantom.random import Draws, keys
from medvl.datasets.phantom.shapes import Field, blurred, column, grain, ramp, value_noise
from medvl.datasets.phantom.sites import SITES, Site

VIEWS = PA, AP, LATERAL = ("PA", "AP", "LATERAL")

_AIR = np.float32(0.44)  # how much less aerated lung attenuates than soft tissue
_METAL = {"tube": 0.60, "line": 0.60, "pacemaker": 0.80, "lead": 0.60}


@dataclass(frozen=True)
class Scene:
    """N images before they have pixels: all front views, or all laterals."""

    lateral: bool
    image: Draws
    torso: Torso
    placed: list[Placed]
    right: Field  # the pose, (N, 1, 1): shift to the right, in half images
    down: Field
    turn: Field  # radians
    zoom: Field
    site: Site

    def to_body(self, size: int) -> tuple[Field, Field]:
        """Body coordinates (N, size, size) of the pixels' centres."""
        axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1
        across, along = axis[None, None, :] - self.right, axis[None, :, None] - self.down
        across = across / np.float32(self.site.stretch)
        cos, sin = np.cos(self.turn) / self.zoom, np.sin(self.turn) / self.zoom
        return cos * across + sin * along, cos * along - sin * across

    def to_image(self, rows: npt.NDArray[np.int64], x: Field, y: Field) -> tuple[Field, Field]:
        """Fractions of the image's width and height at the body coordinates (n, P, 1) of these rows."""
        turn, zoom = self.turn[rows], self.zoom[rows]
        cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
        across, along = (cos * x - sin * y) * np.float32(self.site.stretch), sin * x + cos * y
        return (across + self.right[rows] + 1) / 2, (along + self.down[rows] + 1) / 2


def draw_scene(seed: int, studies: Studies, views: npt.NDArray[np.int64], site: Site = SITES["a"]) -> Scene:
    """The scene of one view (index into `VIEWS`) of each of these studies; laterals do not mix with front views."""
    seed = site.mixed(seed)
    person = Draws(keys(seed, studies.patient))
    image = Draws(keys(seed, studies.patient, studies.study, 10 + views))
    portable = views == VIEWS.index(AP)
    lateral = bool(np.all(views == VIEWS.index(LATERAL)))
    torso = draw_torso(person, image, studies.heart, portable, site.stout)
    place = phantom_lateral.place if lateral else phantom_findings.place
    loose = 1 + 0.4 * portable
    return Scene(
        lateral=lateral,
        image=image,
        torso=torso,
        placed=place(studies, torso, person, image),
        right=column(loose * image.normal("pose.right", 0, 0.03)),
        down=column(loose * image.normal("pose.down", 0.01, 0.025)),
        turn=column(loose * image.normal("pose.turn", 0, 0.03)),
        zoom=column(site.zoom * np.clip(image.normal("pose.zoom", 1.0, 0.03), 0.9, 1.1)),
        site=site,
    )


def render(scene: Scene, size: int) -> npt.NDArray[np.uint8]:
    """(N, size, size) radiographs, air dark, bone bright."""
    x, y = scene.to_body(size)
    layers = (phantom_lateral if scene.lateral else phantom_anatomy).layers(scene.torso, x, y)
    texture = value_noise(scene.image, "texture", 16, size)
    for placed in scene.placed:
        _apply(placed, layers, x[placed.rows], y[placed.rows], texture, scene.image)
    return _expose(layers, scene, texture, size)


def _apply(placed: Placed, layers: Layers, x: Field, y: Field, texture: Field, image: Draws) -> None:
    """What one sign does to the layers of the images that show it."""
    rows, shape, severity = placed.rows, placed.shape, placed.severity
    inside = shape.inside(x, y)
    if placed.sign == "focal":
        strength = column(image.uniform("focal.density", 0.30, 0.38)[rows]) + 0.05 * severity
        soft = column(image.uniform("focal.soft", 0.35, 0.75)[rows])
        layers.solid[rows] += strength * ramp(inside, soft) * (1 + 0.30 * texture[rows])
    elif placed.sign == "diffuse":
        strength = column(image.uniform("diffuse.density", 0.05, 0.08)[rows]) + 0.07 * severity
        cloud = ramp(inside, 0.9) * (1 + 0.45 * texture[rows])
        layers.solid[rows] += strength * cloud * np.sqrt(layers.air[rows])
    elif placed.sign == "effusion":
        fluid = ramp(inside, 0.04)
        layers.air[rows] *= 1 - np.float32(0.75) * fluid
        layers.vessels[rows] *= 1 - fluid
    elif placed.sign == "pneumothorax" and isinstance(shape, Gas):
        gas = ramp(inside, 0.03)
        layers.vessels[rows] *= 1 - gas
        layers.solid[rows] += 0.20 * shape.lung_edge(x, y) - 0.20 * gas
    elif placed.sign in _METAL:
        layers.solid[rows] += np.float32(_METAL[placed.sign]) * ramp(inside, 0.02)


def _expose(layers: Layers, scene: Scene, texture: Field, size: int) -> npt.NDArray[np.uint8]:
    """Attenuation to gray levels: the tube's output, scatter, the detector's blur and noise, the display curve."""
    image, site = scene.image, scene.site
    total = layers.solid - _AIR * layers.air + layers.vessels
    total += layers.air * np.float32(0.012) * texture
    total += column(image.uniform("exposure.scatter", *site.scatter)) * value_noise(image, "scatter", 3, size)
    if site.blur:
        total = blurred(total, site.blur)
    total += column(image.uniform("exposure.noise", *site.noise)) * grain(image, "noise", size)
    level = column(image.normal("exposure.level", site.level, 0.02))
    width = column(site.width * np.exp(image.normal("exposure.width", 0, 0.05)))
    gamma = column(np.exp(image.normal("exposure.gamma", site.gamma, 0.07)))
    tone = np.clip((total - level) / width, 0, 1) ** gamma
    return (tone * (255 * (1.35 - 0.35 * tone)) + 0.5).clip(0, 255).astype(np.uint8)
