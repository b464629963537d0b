"""Writing reports word by word: how the next word is chosen, and what a single stream keeps between words."""
