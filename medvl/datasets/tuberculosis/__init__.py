"""The two tuberculosis sets of the National Library of Medicine, `shenzhen` and `montgomery`."""
