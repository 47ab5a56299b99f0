// SPDX-License-Identifier: Apache-2.0

//! A request's context in the engine's own terms: metadata as transport
//! headers, the peer's address, and one private header that names the call.

use std::sync::LazyLock;

use otapbridge_context::RequestContext;
use otel_arrow_dfe_config::ContextEntryName;
use otel_arrow_dfe_config::transport_headers::{TransportHeader, TransportHeaders};
use otel_arrow_dfe_otap::pdata::{Context, OtapPdata};

/// Names the call a message stems from. It survives clones, splits and every
/// 1:1 node, and does not survive a merge. It never leaves the process: the
/// host exporter hands on OTLP bytes and, for merged output, headers without it.
const CALL_ID_HEADER: &str = "otapbridge-call-id";

static CALL_ID_NAME: LazyLock<ContextEntryName> =
    LazyLock::new(|| ContextEntryName::try_from(CALL_ID_HEADER).expect("a printable ASCII name"));

/// The engine context of a call.
pub(crate) fn engine_context(call_id: u64, request: &RequestContext) -> Context {
    let mut context = Context::with_capacity(4);
    let metadata = request.metadata();
    let mut headers = TransportHeaders::with_capacity(1 + metadata.iter().count());
    headers.push(TransportHeader::binary(
        CALL_ID_NAME.clone(),
        call_id.to_ne_bytes(),
    ));
    for (key, value) in metadata.iter() {
        // Pseudo-headers such as ":authority" are no names in the engine; nodes
        // of ours still find them in the request context.
        let Some(key) = key.to_str() else { continue };
        let Ok(name) = ContextEntryName::try_from(key) else {
            continue;
        };
        if key == CALL_ID_HEADER {
            continue;
        }
        headers.push(match value.to_str() {
            Some(text) => TransportHeader::text(name, text.as_bytes()),
            None => TransportHeader::binary(name, value.as_bytes()),
        });
    }
    context.set_transport_headers(headers);
    if let Some(address) = request.address().and_then(|address| address.socket_addr()) {
        context.set_peer_addr(address);
    }
    context
}

/// The call a message stems from, if that is exactly one.
pub(crate) fn call_id(pdata: &OtapPdata) -> Option<u64> {
    let header = pdata
        .transport_headers()?
        .find_by_name(CALL_ID_HEADER)
        .next()?;
    Some(u64::from_ne_bytes(header.value.bytes.try_into().ok()?))
}
