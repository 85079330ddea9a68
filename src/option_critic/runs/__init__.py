"""Everything that touches a disk: run folders, checkpoints, logs."""
