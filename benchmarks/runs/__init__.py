"""A run on disk and on paper: its identity, its directory, its record, and what is still missing of a sweep."""
