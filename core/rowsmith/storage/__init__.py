"""Files of a run on disk: directories, locks, memory-mapped arrays and disk errors."""
