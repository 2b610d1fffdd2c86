"""What the simulator says, held to schemas that VMware wrote: its XSDs and its generated classes."""
