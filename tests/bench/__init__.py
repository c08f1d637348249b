"""Measured claims, each as a ratio against a named peer in the same run. Never part of the tests."""
