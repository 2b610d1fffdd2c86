"""Who the bridge is for VCD: versions, credentials, sessions."""
