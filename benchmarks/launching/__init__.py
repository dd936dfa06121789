"""Runs in processes of their own, several at a time, and what becomes of those that run out of memory."""
