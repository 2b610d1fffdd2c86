"""How many calls may be made, and when."""
