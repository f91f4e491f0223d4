"""Triggers: the waiting of deferred sensors, and the watching of assets."""
