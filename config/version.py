"""The product's version, for pyproject.toml and for the daemon's own answer to "which one are you?"."""

VERSION = "0.1.0"
