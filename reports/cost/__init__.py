"""What training cost: time, memory, joules, and the parents that conversions need."""
