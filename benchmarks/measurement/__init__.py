"""What is measured of a network: accuracy, predictions, every latency of one simulation, time, memory and energy."""
