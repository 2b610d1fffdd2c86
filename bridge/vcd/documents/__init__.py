"""What VCD writes, read into the core's types, however it is written."""
