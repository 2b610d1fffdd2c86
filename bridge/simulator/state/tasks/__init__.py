"""Tasks as functions of time, their scripts and limits."""
