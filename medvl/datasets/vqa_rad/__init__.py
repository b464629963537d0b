"""VQA-RAD: questions about radiographs; `dataset` is the way in."""
