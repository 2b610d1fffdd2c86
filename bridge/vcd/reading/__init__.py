"""What is asked of VCD without changing anything."""
