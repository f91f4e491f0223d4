"""What outlives a task: watermarks and windows of extracts, checkpoints of loads."""
