"""What the product stands on, one small function a question: ok, warn, fail or cannot tell, and the next step."""
