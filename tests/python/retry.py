# SPDX-License-Identifier: Apache-2.0
"""Shows what the OTLP exporters of the Python OpenTelemetry SDK make of a refusal.

Usage: retry.py grpc|http ENDPOINT...

Sends two log records to each endpoint, all endpoints at once: "N before", where N is the
endpoint's number, and then "N again". Prints a line for each endpoint, in their order:
`accepted` or `failed` for the second record, and how many seconds its export took.
Exits with 1 if a first record is not accepted.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as OverGRPC
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as OverHTTP
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

PATIENCE_SECONDS = 30


def remembering(exporter_class, **arguments):
    """Returns an exporter of that class that remembers its last result."""

    class Remembering(exporter_class):
        accepted = False

        def export(self, *args, **kwargs):
            self.accepted = super().export(*args, **kwargs) == LogRecordExportResult.SUCCESS
            return LogRecordExportResult.SUCCESS if self.accepted else LogRecordExportResult.FAILURE

    return Remembering(timeout=PATIENCE_SECONDS, **arguments)


def exporter_for(protocol, endpoint):
    if protocol == "grpc":
        return remembering(OverGRPC, endpoint=endpoint, insecure=True)
    return remembering(OverHTTP, endpoint=f"http://{endpoint}/v1/logs")


def send(protocol, number, endpoint):
    exporter = exporter_for(protocol, endpoint)
    provider = LoggerProvider(resource=Resource({"service.name": "python-client"}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("retry")
    logger.emit(timestamp=time.time_ns(), body=f"{number} before")
    if not exporter.accepted:
        raise RuntimeError(f"{endpoint}: the first record was not accepted")
    began = time.monotonic()
    logger.emit(timestamp=time.time_ns(), body=f"{number} again")
    return exporter.accepted, time.monotonic() - began


def main():
    protocol, endpoints = sys.argv[1], sys.argv[2:]
    with ThreadPoolExecutor(len(endpoints)) as pool:
        for accepted, seconds in pool.map(send, [protocol] * len(endpoints), range(len(endpoints)), endpoints):
            print("accepted" if accepted else "failed", f"{seconds:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
