"""Cloud Director's message bus: says that something about a Task has changed. The only importer of aiomqtt."""
