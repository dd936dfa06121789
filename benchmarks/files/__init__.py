"""Reading and writing files safely: edited by people, cut off by full disks, left behind by killed processes."""
