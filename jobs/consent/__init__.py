"""What people, folders and notes say about consent, read from their files; and the log of all that changed."""
