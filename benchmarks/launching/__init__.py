"""Runs in processes of their own, and what becomes of those that run out of memory."""
