"""The faults by what they strike. A module here is found by its name; a function marked ``@fault`` is one line."""
