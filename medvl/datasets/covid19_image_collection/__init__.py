"""The COVID-19 Image Data Collection; `dataset` is the way in."""
