"""Findings from the text of reports: `rules` reads it, `table` looks it up."""
