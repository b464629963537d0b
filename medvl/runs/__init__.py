"""What a run writes and shows: metrics, predictions, manifest, pictures, tables, progress."""
