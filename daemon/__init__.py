"""The resident process and its remote control. Never imports an ML library."""
