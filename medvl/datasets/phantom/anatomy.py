"""The healthy chest seen from the front: how much each structure attenuates the beam.

Everything here is in body coordinates (see `phantom_shapes`): x to the image's right, so the patient's right
lung has x < 0. `s` is the distance from the midline, positive in both lungs, and `side` is -1 in the patient's
right half and +1 in the left. Attenuation is additive, as in the logarithm of a real exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom.random import Draws
from medvl.datasets.phantom.shapes import Blob, Field, band, column, fourth, ramp


@dataclass(frozen=True)
class Torso:
    """One body per row; every field is (N, 1, 1) float32."""

    lung: Field  # half-width of the ribcage's inside at its widest
    apex: Field  # y of the lungs' top
    base: Field  # y of the right diaphragm's dome
    lower: Field  # how much lower the left dome stands
    dome: Field  # how far the diaphragm falls from its dome to the side
    tissue: Field  # thickness of soft tissue
    spacing: Field  # from one posterior rib to the next
    ribs: Field  # offset of the ribs
    bone: Field  # how bright bone is
    clavicle: Field  # y of the clavicles' inner ends
    sway: Field  # sideways shift of trachea and upper mediastinum
    hila: Field  # strength of hila and vessels
    breast: Field  # thickness of breast tissue
    arms: Field  # how far scapulae and shoulders come in
    heart_right: Field  # reach of the heart to the image's left of the midline
    heart_left: Field
    heart_y: Field
    heart_height: Field
    phase: Field  # of vessels and other decoration

    def take(self, rows: npt.NDArray[np.int64]) -> Torso:
        """These bodies, in this order."""
        return Torso(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def width_at(self, y: Field) -> Field:
        """Half-width of the ribcage's inside at height y; 0 at the apex."""
        t = np.clip((self.base + 0.1 - y) / (self.base + 0.1 - self.apex), 0, 1)
        return self.lung * np.sqrt(1 - t * t * t)

    def medial_at(self, y: Field) -> Field:
        """Where the lungs begin beside the mediastinum."""
        return 0.105 + 0.05 * band(y + 0.08, 0.35)

    def diaphragm_at(self, s: Field, side: Field) -> Field:
        """y of the diaphragm at distance s from the midline."""
        t = (s - 0.45 * self.lung) / (0.55 * self.lung)
        return self.base + self.lower * (0.5 + 0.5 * side) + self.dome * t * t

    def heart(self) -> Blob:
        """The heart's outline: an ellipse whose apex points down and to the patient's left."""
        zero = np.zeros_like(self.lung)
        return Blob(
            x=(self.heart_left - self.heart_right) / 2,
            y=self.heart_y,
            width=(self.heart_left + self.heart_right) / 2,
            height=self.heart_height,
            tilt=zero + 0.32,
            wave=zero + 0.06,
            phase=zero + 0.9,
        )


def draw_torso(
    person: Draws, image: Draws, enlarged: np.ndarray, anteroposterior: np.ndarray, stoutness: float = 0.0
) -> Torso:
    """Bodies of N images: build from `person`, breath and posture from `image`, heart size from `enlarged` (N,).

    `stoutness` is the mean of how thick their soft tissue is, in standard deviations.
    """
    breath = image.normal("breath", 0, 0.025) - 0.04 * anteroposterior  # deeper is positive
    stout = person.normal("stout", stoutness)
    female = person.chance("female", 0.48)
    lung = np.clip(person.normal("lung", 0.71, 0.025), 0.62, 0.79)
    # an AP film magnifies the heart; a shallow breath lays it flat
    width = (person.normal("heart", 0.58, 0.04) + 0.46 * enlarged) * (1 + 0.07 * anteroposterior - 0.4 * breath)
    base = np.clip(person.normal("base", 0.40, 0.025) + breath, 0.24, 0.54)
    return Torso(
        lung=column(lung),
        apex=column(person.normal("apex", -0.80, 0.025)),
        base=column(base),
        lower=column(person.uniform("lower", 0.03, 0.08)),
        dome=column(person.uniform("dome", 0.15, 0.20)),
        tissue=column(0.60 + 0.05 * np.clip(stout, -2, 2.5)),
        spacing=column(person.uniform("spacing", 0.155, 0.170)),
        ribs=column(person.normal("ribs", 0.08, 0.015)),
        bone=column(person.uniform("bone", 0.8, 1.1)),
        clavicle=column(person.normal("clavicle", -0.60, 0.03) + 0.05 * image.normal("shrug") * anteroposterior),
        sway=column(person.normal("sway", 0, 0.015) + image.normal("turn", 0, 0.012)),
        hila=column(person.uniform("hila", 0.7, 1.2)),
        breast=column(female * person.uniform("breast", 0.2, 1.0)),
        arms=column(np.where(anteroposterior, image.uniform("arms", 0.4, 1.0), image.uniform("arms", 0.0, 0.4))),
        heart_right=column(np.clip(0.34 * width, 0.15, 0.36)),
        heart_left=column(np.clip(0.66 * width, 0.30, 0.70)),
        heart_y=column(base - 0.13),
        heart_height=column(0.30 + 0.05 * enlarged + person.normal("heart_height", 0, 0.012)),
        phase=column(person.uniform("phase", 0, 6.28)),
    )


@dataclass(frozen=True)
class Layers:
    """What the front view is built of, (N, H, W) each; findings change `air` before the layers are summed."""

    air: Field  # aerated lung, 0 to 1
    solid: Field  # everything else
    vessels: Field  # what is drawn inside aerated lung


def layers(torso: Torso, x: Field, y: Field) -> Layers:
    """The healthy chest at body coordinates x, y (N, H, W)."""
    side = np.sign(x)
    s = np.abs(x)
    wall = torso.width_at(y)
    floor = torso.diaphragm_at(s, side)
    lung = ramp(wall - s, 0.07) * ramp(s - torso.medial_at(y), 0.06) * ramp(floor - y, 0.045)
    heart = ramp(torso.heart().inside(x, y), 0.16)
    solid = _soft_tissue(torso, x, y, s, floor, lung)
    solid += _mediastinum(torso, x, y, s, heart)
    cage = ramp(wall + 0.035 - s, 0.05) * ramp(floor + 0.16 - y, 0.3)
    solid += torso.bone * (_ribs(torso, s, y, cage) + _shoulders(torso, s, y))
    return Layers(air=lung * (1 - 0.62 * heart), solid=solid, vessels=_vessels(torso, s, y, side) * lung)


def _soft_tissue(torso: Torso, x: Field, y: Field, s: Field, floor: Field, lung: Field) -> Field:
    """Skin, muscle, breasts, and the belly with its gas bubble below the left diaphragm."""
    shoulder = -0.93 + 0.30 * np.clip(s - 0.24, 0, 0.8)
    neck = ramp(0.25 - s, 0.1)
    body = np.maximum(ramp(y - shoulder, 0.06), neck) * ramp(1.02 + 0.02 * torso.tissue - s, 0.10)
    curve = 1 - 0.35 * s * s
    belly = ramp(y - floor, 0.12)
    bubble = ramp(1 - ((x - 0.34) / 0.15) ** 2 - ((y - torso.base - torso.lower - 0.15) / 0.08) ** 2, 0.5)
    breast = ramp(1 - ((s - 0.42) / 0.33) ** 2 - ((y - 0.28) / 0.27) ** 2, 0.25)
    return body * (torso.tissue * curve + 0.16 * belly + 0.10 * torso.breast * breast - 0.15 * bubble * (1 - lung))


def _mediastinum(torso: Torso, x: Field, y: Field, s: Field, heart: Field) -> Field:
    """Spine, great vessels, aortic knob, trachea with its two main bronchi, and the heart."""
    centred = np.abs(x - torso.sway)
    discs = 0.75 + 0.25 * np.cos(y * (6.2832 / 0.125) + torso.phase)
    spine = ramp(0.085 - s, 0.04) * discs
    vessels = ramp(0.15 - np.abs(x - 0.02), 0.10) * ramp(y + 0.72, 0.3)
    knob = ramp(1 - ((x - 0.145) / 0.085) ** 2 - ((y + 0.33) / 0.11) ** 2, 0.6)
    airway = ramp(0.05 - centred, 0.035) * ramp(-0.22 - y, 0.06)
    bronchi = ramp(0.032 - np.abs(centred - 0.75 * (y + 0.22)), 0.03) * band(y + 0.12, 0.13)
    great = np.maximum(np.maximum(0.16 * vessels, 0.15 * knob), 0.17 * heart)
    return great + 0.10 * torso.bone * spine - 0.14 * airway - 0.07 * bronchi


def _ribs(torso: Torso, s: Field, y: Field, cage: Field) -> Field:
    """Posterior ribs fall outwards, anterior ribs fall inwards; edges are brighter than the middle."""
    r = s / torso.lung
    posterior = np.cos((y - torso.ribs + 0.10 * r - 0.34 * r * r) * (6.2832 / torso.spacing))
    anterior = np.cos((y - torso.ribs + 0.05 + 0.55 * r * r) * (6.2832 / (1.25 * torso.spacing)))
    back = ramp(posterior - 0.35, 0.5)
    front = ramp(anterior - 0.45, 0.5) * ramp(r - 0.5, 0.25)
    return cage * (0.075 * back + 0.16 * back * (1 - back) + 0.05 * front + 0.08 * front * (1 - front))


def _shoulders(torso: Torso, s: Field, y: Field) -> Field:
    """Clavicles, the heads of the humeri, and scapulae, which an AP film lays over the lungs."""
    t = np.clip((s - 0.07) / 0.72, 0, 1)
    line = torso.clavicle - 0.15 * t + 0.05 * np.sin(6.2832 * t)
    clavicle = ramp(0.032 - np.abs(y - line), 0.02) * ramp(s - 0.07, 0.03) * ramp(0.82 - s, 0.05)
    head = ramp(1 - ((s - 0.93) / 0.13) ** 2 - ((y + 0.60) / 0.14) ** 2, 0.4)
    edge = np.abs(s - (0.86 - 0.20 * torso.arms) - 0.22 * (y + 0.35))
    scapula = ramp(0.016 - edge, 0.02) * band(y + 0.32, 0.42)
    return 0.15 * clavicle + 0.20 * head + 0.08 * scapula


def _vessels(torso: Torso, s: Field, y: Field, side: Field) -> Field:
    """Hila, and vessels that branch outwards from them."""
    across, down = s - 0.16, y + 0.05
    radius = np.sqrt(across * across + down * down)
    angle = np.arctan2(down, across)
    twist = torso.phase + 1.3 * side
    bend = 0.35 * np.sin(11 * radius + 2 * angle + twist)  # vessels wander, and no two part at one place
    trunk = np.maximum(np.cos(5 * (angle + bend) + twist + 3 * radius), 0)
    twigs = np.maximum(np.cos(12 * (angle - bend) - twist - 6 * radius), 0) * ramp(radius - 0.22, 0.2)
    fade = np.clip(1 - radius / 0.62, 0, 1)
    hilum = ramp(1 - (across / 0.09) ** 2 - (down / 0.17) ** 2, 1.0)
    return torso.hila * (0.11 * hilum + fade * (0.10 * fourth(trunk) + 0.07 * fourth(twigs)))
