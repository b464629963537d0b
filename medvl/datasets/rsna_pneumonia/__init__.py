"""The RSNA Pneumonia Detection Challenge; `dataset` is the way in."""
