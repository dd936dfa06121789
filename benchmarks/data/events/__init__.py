"""Event-camera data: recordings, the frames made from them, and a simulated camera."""
