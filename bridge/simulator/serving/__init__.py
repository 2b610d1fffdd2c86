"""The simulator on the wire: cells that listen, certificates, bytes that come late, cut or not at all."""
