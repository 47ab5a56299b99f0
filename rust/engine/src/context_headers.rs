// SPDX-License-Identifier: Apache-2.0

//! A request's context in the engine's own terms: metadata as transport
//! headers, the peer's address, and one private header that names the request.

use std::sync::LazyLock;

use otapbridge_context::RequestContext;
use otel_arrow_dfe_config::ContextEntryName;
use otel_arrow_dfe_config::transport_headers::{TransportHeader, TransportHeaders};
use otel_arrow_dfe_otap::pdata::{Context, OtapPdata};

use crate::core::Core;

/// Names the request a message stems from. It survives clones, splits and every
/// 1:1 node, and does not survive a merge. It never leaves the process: the
/// host exporter hands on OTLP bytes and, for merged output, headers without it.
pub(crate) const REQUEST_ID_HEADER: &str = "otapbridge-request-id";

static REQUEST_ID_NAME: LazyLock<ContextEntryName> = LazyLock::new(|| {
    ContextEntryName::try_from(REQUEST_ID_HEADER).expect("a printable ASCII name")
});

/// Names a request within its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RequestId {
    /// A call, under the host's name for it.
    Call(u64),
    /// A request that began inside the pipeline.
    Local(u64),
}

impl RequestId {
    fn to_bytes(self) -> [u8; 9] {
        let (tag, id) = match self {
            Self::Call(id) => (0, id),
            Self::Local(id) => (1, id),
        };
        let mut bytes = [tag; 9];
        bytes[1..].copy_from_slice(&id.to_ne_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, id) = bytes.split_first()?;
        let id = u64::from_ne_bytes(id.try_into().ok()?);
        match tag {
            0 => Some(Self::Call(id)),
            1 => Some(Self::Local(id)),
            _ => None,
        }
    }
}

/// The engine context of a request.
pub(crate) fn engine_context(core: &Core, id: RequestId, request: &RequestContext) -> Context {
    let mut context = Context::with_capacity(4);
    let mut headers = TransportHeaders::with_capacity(1);
    headers.push(TransportHeader::binary(
        REQUEST_ID_NAME.clone(),
        id.to_bytes(),
    ));
    if core.has_engine_nodes {
        push_metadata(&mut headers, request);
    }
    context.set_transport_headers(headers);
    if let Some(address) = request.address().and_then(|address| address.socket_addr()) {
        context.set_peer_addr(address);
    }
    context
}

fn push_metadata(headers: &mut TransportHeaders, request: &RequestContext) {
    for (key, value) in request.metadata().iter() {
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

/// The request a message stems from, if that is exactly one.
pub(crate) fn request_id(pdata: &OtapPdata) -> Option<RequestId> {
    let header = pdata
        .transport_headers()?
        .find_by_name(REQUEST_ID_HEADER)
        .next()?;
    RequestId::from_bytes(header.value.bytes)
}
