"""How the system starts us."""
