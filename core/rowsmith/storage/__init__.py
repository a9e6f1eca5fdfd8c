"""Files of a run on disk: directories, locks, memory-mapped arrays, and what their errors say."""
