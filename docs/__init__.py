"""Documentation, and the code that keeps it true."""
