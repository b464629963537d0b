"""Attention masks of joint sequences: the layout, schemes over it, and what an attention backend is given."""
