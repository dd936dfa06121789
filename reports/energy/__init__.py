"""Energy of one inference, from counted operations."""
