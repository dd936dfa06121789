"""Reading and writing files that people, full disks and killed processes may have touched."""
