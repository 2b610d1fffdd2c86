"""The pure heart: lifecycles, records and policies. No I/O, no clock, no await."""
