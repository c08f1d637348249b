"""iaipctl: one file a command. A command returns a Result; one renderer shows it."""
