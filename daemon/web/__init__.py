"""The page: a window on the ledger that the daemon opens on the loopback interface when it is asked to."""
