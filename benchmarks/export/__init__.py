"""From run directories to the CSV files and predictions that are committed."""
