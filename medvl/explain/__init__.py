"""What a finished stage looks at and writes, as one page: cases from `subject`, a panel a file, `page` puts them together."""
