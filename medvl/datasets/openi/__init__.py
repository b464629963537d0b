"""Open-I (Indiana University) in the forms that circulate; `dataset` is the way in."""
