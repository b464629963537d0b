"""MIMIC-CXR as PhysioNet distributes it; `dataset` is the way in."""
