"""Event-camera data: recordings, the frames made of them, and a simulated camera."""
