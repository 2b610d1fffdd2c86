"""HTTP as VCD speaks it: requests, answers, versions, media types, paths."""
