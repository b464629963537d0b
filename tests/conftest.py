"""Settings that every test shares."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that reached for a hub would otherwise wait for its retries
