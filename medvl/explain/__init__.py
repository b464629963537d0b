"""What a finished stage looks at and writes: cases from `subject`, a panel a file, and `page`, which joins them."""
