"""The only training loop, its optimiser and rates, and thresholds that the first batch sets."""
