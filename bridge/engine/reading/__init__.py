"""Questions to VCD that change nothing, and what is made of their answers."""
