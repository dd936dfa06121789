"""Carries runs out in processes of their own, several at a time, and records how each of them ended."""
