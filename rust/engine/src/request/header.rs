// SPDX-License-Identifier: Apache-2.0

//! A request's context in the engine's own terms: metadata as transport
//! headers, the peer's address, and one private header that names the request.

use std::sync::LazyLock;

use otel_arrow_dfe_config::ContextEntryName;
use otel_arrow_dfe_config::transport_headers::{TransportHeader, TransportHeaders};
use otel_arrow_dfe_otap::pdata::{Context, OtapPdata};

use crate::request::state::Request;
use crate::request::table::{Key, RequestId};

/// Names the request a message stems from. It survives clones, splits and every
/// 1:1 node, and does not survive where data are joined. It never leaves the process: the
/// host exporter emits OTLP bytes and, for output of no request, headers without it.
pub(crate) const REQUEST_ID_HEADER: &str = "otapbridge-request-id";

static REQUEST_ID_NAME: LazyLock<ContextEntryName> = LazyLock::new(|| {
    ContextEntryName::try_from(REQUEST_ID_HEADER).expect("a printable ASCII name")
});

fn to_bytes(id: RequestId) -> [u8; 17] {
    let (tag, key) = match id.key {
        Key::Call(call_id) => (0, call_id),
        Key::Own(number) => (1, number),
    };
    let mut bytes = [tag; 17];
    bytes[1..9].copy_from_slice(&key.to_ne_bytes());
    bytes[9..].copy_from_slice(&id.number.to_ne_bytes());
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<RequestId> {
    let (tag, numbers) = bytes.split_first()?;
    let (key, number) = numbers.split_at_checked(8)?;
    let key = u64::from_ne_bytes(key.try_into().ok()?);
    let number = u64::from_ne_bytes(number.try_into().ok()?);
    let key = match tag {
        0 => Key::Call(key),
        1 => Key::Own(key),
        _ => return None,
    };
    Some(RequestId { key, number })
}

/// The engine context of a request.
pub(crate) fn engine_context(request: &Request) -> Context {
    let mut context = Context::with_capacity(4);
    let mut headers = TransportHeaders::with_capacity(1);
    headers.push(TransportHeader::binary(
        REQUEST_ID_NAME.clone(),
        to_bytes(request.id),
    ));
    if request.pipeline.shared.has_engine_nodes {
        for (key, value) in request.context.metadata().iter() {
            // Pseudo-headers such as ":authority" are no names in the engine; nodes
            // of ours still find them in the request context.
            let Some(key) = key.to_str() else { continue };
            let Ok(name) = ContextEntryName::try_from(key) else {
                continue;
            };
            if key == REQUEST_ID_HEADER {
                continue;
            }
            headers.push(match value.to_str() {
                Some(text) => TransportHeader::text(name, text.as_bytes()),
                None => TransportHeader::binary(name, value.as_bytes()),
            });
        }
    }
    context.set_transport_headers(headers);
    let address = request.context.address();
    if let Some(address) = address.and_then(|address| address.socket_addr()) {
        context.set_peer_addr(address);
    }
    context
}

/// The request a message stems from, if that is exactly one.
pub(crate) fn request_id(pdata: &OtapPdata) -> Option<RequestId> {
    let header = pdata
        .transport_headers()?
        .find_by_name(REQUEST_ID_HEADER)
        .next()?;
    from_bytes(header.value.bytes)
}
