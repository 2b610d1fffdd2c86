"""Tasks of everybody, told to whoever observes their organizations."""
