"""NIH ChestX-ray14 as its owner distributes it; `dataset` is the way in."""
