"""CheXpert as Stanford distributes it; `dataset` is the way in."""
