"""What is suspicious about a dataset and how it is used, one file a lint. See `finding` for what they give."""
