"""Kafka as inbox, outbox and store: the only importer of confluent_kafka. Implements the Kafka ports of the engine.

Facts in comments marked "measured" were measured on Apache Kafka 4.3.1 with librdkafka 2.16.
"""
