"""What a run leaves: manifest, predictions, tables, pictures."""
