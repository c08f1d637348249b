"""What a job is and does. Knows no scheduler and no operating system service."""
