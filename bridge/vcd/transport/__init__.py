"""How requests get to VCD: clients, addresses, pace, and the proof that one was never sent."""
