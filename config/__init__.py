"""Typed settings and every path the product owns. Imports nothing of ours."""
