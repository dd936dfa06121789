"""What is known of a run: its identity, its directory and its record; and which runs of a sweep are missing."""
