"""The built-in phantom: patients, reports and radiographs from no file at all; `dataset` is the way in."""
