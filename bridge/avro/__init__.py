"""Records on the wire: schemas, framing and codecs. The only importer of fastavro; no network, no clock."""
