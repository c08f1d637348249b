"""What the operating system tells us: processes, locks, notifications."""
