// SPDX-License-Identifier: Apache-2.0

//! The drain marker: what a pipeline's drain sends after its last message.
//!
//! The engine tells a node to shut down when nothing can come in any more, and
//! from then on it hears no ack: the callers of what it flushes then would
//! never get their result. The marker goes before that, through every queue
//! behind the last message, and makes the gate of a batching node flush it while
//! it still listens.

use std::sync::LazyLock;
use std::time::Instant;

use bytes::Bytes;
use otapbridge_context::Signal;
use otel_arrow_dfe_config::ContextEntryName;
use otel_arrow_dfe_config::transport_headers::{TransportHeader, TransportHeaders};
use otel_arrow_dfe_engine::MessageSourceLocalEffectHandlerExtension;
use otel_arrow_dfe_engine::control::NodeControlMsg;
use otel_arrow_dfe_engine::local::processor::EffectHandler;
use otel_arrow_dfe_otap::pdata::OtapPdata;

use crate::base::node_types::{BATCH, DIVIDER, DURABLE_BUFFER};
use crate::base::payload::from_otlp_bytes;
use crate::base::sending::looking_again;
use crate::request::header::request_id;

const HEADER: &str = "otapbridge-drain";

static NAME: LazyLock<ContextEntryName> =
    LazyLock::new(|| ContextEntryName::try_from(HEADER).expect("a printable ASCII name"));

/// Whether a processor is to be flushed because it holds messages back. To the engine's batch a flush is a
/// shutdown, at which it only forwards what it holds; the two others know a flush by its reason.
pub(crate) fn is_flushed(urn: &str) -> bool {
    matches!(urn, BATCH | DURABLE_BUFFER | DIVIDER)
}

/// A message without data that nobody acks.
pub(crate) fn marker() -> OtapPdata {
    let mut headers = TransportHeaders::with_capacity(1);
    headers.push(TransportHeader::binary(NAME.clone(), []));
    from_otlp_bytes(Signal::Logs, Bytes::new()).with_transport_headers(headers)
}

/// Whether it is the drain marker. A header of that name that a client sent makes none: a request's
/// messages have its id.
pub(crate) fn is_marker(pdata: &OtapPdata) -> bool {
    let is_named = |headers: &TransportHeaders| headers.find_by_name(HEADER).next().is_some();
    pdata.is_empty()
        && request_id(pdata).is_none()
        && pdata.transport_headers().is_some_and(is_named)
}

/// What makes [such a processor](is_flushed) flush.
pub(crate) fn flush() -> NodeControlMsg<OtapPdata> {
    NodeControlMsg::Shutdown {
        deadline: Instant::now(),
        reason: FLUSH_REASON.to_owned(),
    }
}

const FLUSH_REASON: &str = "drain";

/// Whether a shutdown is only [`flush`].
pub(crate) fn is_flush(reason: &str) -> bool {
    reason == FLUSH_REASON
}

/// Sends the marker to every output. Where a next node is gone, there is nothing to flush.
pub(crate) async fn forward_marker(effect_handler: &EffectHandler<OtapPdata>) {
    for port in effect_handler.connected_ports() {
        let send = effect_handler.send_message_with_source_node_to(port, marker());
        let _ = looking_again(send).await;
    }
}
