"""Reads and writes files safely, although people edit them, disks fill up and processes are killed meanwhile."""
