"""The command line behind `__main__`: from words to runs, and what a person sees while they go on."""
