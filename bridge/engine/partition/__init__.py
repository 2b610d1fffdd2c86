"""What a process knows of one partition that is its own, from its restore on."""
