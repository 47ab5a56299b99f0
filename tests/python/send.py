# SPDX-License-Identifier: Apache-2.0
"""Sends one signal with the Python OpenTelemetry SDK over OTLP/gRPC.

Usage: send.py ENDPOINT traces|metrics|logs KEPT DROPPED

Sends KEPT records with the attribute tier=keep and DROPPED ones with tier=drop,
each with an attribute `secret` and a number of its own, and the metadata
x-tenant: acme. Exits with 1 unless every export succeeded.
"""

import sys
import time

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

RESOURCE = Resource({"service.name": "python-client"})
PATIENCE_MS = 30_000

exports = {"succeeded": 0, "failed": 0}


def counting(exporter_class, success):
    """Returns an exporter of that class that counts its results."""

    class Counting(exporter_class):
        def export(self, *args, **kwargs):
            result = super().export(*args, **kwargs)
            exports["succeeded" if result == success else "failed"] += 1
            return result

    return Counting(endpoint=sys.argv[1], insecure=True, headers=(("x-tenant", "acme"),))


def records(kept, dropped):
    for tier, count in (("keep", kept), ("drop", dropped)):
        for number in range(count):
            yield tier, {"tier": tier, "secret": "s3cret", "number": number}


def send_traces(kept, dropped):
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(counting(OTLPSpanExporter, SpanExportResult.SUCCESS)))
    tracer = provider.get_tracer("send")
    for tier, attributes in records(kept, dropped):
        tracer.start_span(tier, attributes=attributes).end()
    return provider


def send_metrics(kept, dropped):
    exporter = counting(OTLPMetricExporter, MetricExportResult.SUCCESS)
    # The interval is longer than the program runs: only force_flush exports.
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    # Its exit hook would export the same sums once more.
    provider = MeterProvider(metric_readers=[reader], resource=RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("send")
    counters = {tier: meter.create_counter(tier) for tier in ("keep", "drop")}
    for tier, attributes in records(kept, dropped):
        counters[tier].add(1, attributes)
    return provider


def send_logs(kept, dropped):
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(counting(OTLPLogExporter, LogRecordExportResult.SUCCESS))
    )
    logger = provider.get_logger("send")
    for tier, attributes in records(kept, dropped):
        logger.emit(timestamp=time.time_ns(), body=tier, attributes=attributes)
    return provider


def main():
    send = {"traces": send_traces, "metrics": send_metrics, "logs": send_logs}[sys.argv[2]]
    provider = send(int(sys.argv[3]), int(sys.argv[4]))
    flushed = provider.force_flush(PATIENCE_MS)
    print(exports, "flushed" if flushed else "not flushed")
    return 0 if flushed and exports["succeeded"] > 0 and exports["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
