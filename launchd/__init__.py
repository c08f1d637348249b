"""How the system starts us: a launchd agent on macOS, a systemd user unit on Linux, behind one interface."""
