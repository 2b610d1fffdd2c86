"""The query service: what can be asked, in which form the answer comes."""
