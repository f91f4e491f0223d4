"""Sensors: wait in a worker, between reschedules, or deferred, by the same rules."""
