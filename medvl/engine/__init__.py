"""The loop: stages, optimisers and schedules, early stopping, checkpoints."""
