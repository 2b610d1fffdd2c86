"""The simulator's message bus: MQTT over WebSocket behind a door that asks for the session's token.

Only here amqtt is imported, and only where it is installed (the extra ``simulator-mqtt``)."""
