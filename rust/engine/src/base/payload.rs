// SPDX-License-Identifier: Apache-2.0

//! OTLP bytes in and out of the engine's data type.

use bytes::Bytes;
use otapbridge_context::Signal;
use otel_arrow_dfe_config::SignalType;
use otel_arrow_dfe_otap::pdata::{Context, OtapPdata};
use otel_arrow_dfe_pdata::OtlpProtoBytes;
use otel_arrow_dfe_pdata_codec::OtapPayload;

pub(crate) fn signal_type(signal: Signal) -> SignalType {
    match signal {
        Signal::Traces => SignalType::Traces,
        Signal::Metrics => SignalType::Metrics,
        Signal::Logs => SignalType::Logs,
    }
}

/// What a message carries.
#[must_use]
pub fn signal(pdata: &OtapPdata) -> Signal {
    match pdata.signal_type() {
        SignalType::Traces => Signal::Traces,
        SignalType::Metrics => Signal::Metrics,
        SignalType::Logs => Signal::Logs,
    }
}

pub(crate) fn otlp_payload(signal: Signal, bytes: Bytes) -> OtapPayload {
    OtapPayload::from(OtlpProtoBytes::new_from_bytes(signal_type(signal), bytes))
}

/// A message without origin, made of OTLP protobuf. Nothing is parsed.
#[must_use]
pub fn from_otlp_bytes(signal: Signal, bytes: Bytes) -> OtapPdata {
    OtapPdata::new(Context::default(), otlp_payload(signal, bytes))
}

/// Replaces a message's payload by OTLP protobuf; its request stays the same.
#[must_use]
pub fn with_otlp_bytes(pdata: OtapPdata, signal: Signal, bytes: Bytes) -> OtapPdata {
    let (context, _) = pdata.into_parts();
    OtapPdata::new(context, otlp_payload(signal, bytes))
}

/// The same request without its data: what an ack or a nack needs to find its way.
pub(crate) fn routing_only(context: Context, signal: Signal) -> OtapPdata {
    OtapPdata::new(context, OtapPayload::empty(signal_type(signal)))
}
