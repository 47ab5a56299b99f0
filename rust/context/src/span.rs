// SPDX-License-Identifier: Apache-2.0

//! The W3C span context.

use std::fmt;
use std::str::FromStr;

use crate::block::{LINK_SIZE, read_array};
use crate::error::ProcessingError;

/// Wire form of a linked span: trace id, span id, trace flags.
pub(crate) type SpanContextBytes = [u8; LINK_SIZE];

/// Identity of a span, as W3C traceparent has it.
///
/// ```
/// use otapbridge_context::{BlockBuilder, RequestContext, SpanContext};
///
/// let parent: SpanContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// let mut block = BlockBuilder::new();
/// block.span_context(parent).trace_state("vendor=1").baggage("plan=gold");
/// let context = RequestContext::new(block.build()?);
///
/// let span = context.span_context().expect("a span");
/// assert!(span.is_sampled() && span.remote);
/// assert_eq!(span.trace_id_hex(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(context.trace_state(), Some("vendor=1"));
/// assert_eq!(context.baggage(), Some("plan=gold"));
/// # Ok::<(), otapbridge_context::ProcessingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanContext {
    /// Trace id, as on the wire.
    pub trace_id: [u8; 16],
    /// Span (parent) id, as on the wire.
    pub span_id: [u8; 8],
    /// Trace flags; bit 0 is "sampled".
    pub trace_flags: u8,
    /// Whether it came from a remote parent.
    pub remote: bool,
}

impl SpanContext {
    /// Whether neither id is all zeros.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.trace_id != [0; 16] && self.span_id != [0; 8]
    }

    /// Whether the sampled flag is set.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.trace_flags & 1 != 0
    }

    /// The trace id as 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// The span id as 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn span_id_hex(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.span_id))
    }

    /// The wire form of a linked span.
    #[must_use]
    pub fn to_link(&self) -> SpanContextBytes {
        let mut bytes = [0; LINK_SIZE];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.span_id);
        bytes[24] = self.trace_flags;
        bytes
    }

    /// Reads the wire form of a linked span. Links come from elsewhere: `remote` is set.
    #[must_use]
    pub(crate) fn from_link(bytes: &SpanContextBytes) -> Self {
        Self {
            trace_id: read_array(bytes, 0),
            span_id: read_array(bytes, 16),
            trace_flags: bytes[24],
            remote: true,
        }
    }
}

impl fmt::Display for SpanContext {
    /// The W3C traceparent header, version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{}-{}-{:02x}",
            self.trace_id_hex(),
            self.span_id_hex(),
            self.trace_flags
        )
    }
}

impl FromStr for SpanContext {
    type Err = ProcessingError;

    /// Reads the W3C traceparent header. As the standard asks, a later version may say
    /// more, which is ignored. `remote` is set.
    ///
    /// # Errors
    /// Configuration, with field "traceparent", if the text is not such a header.
    fn from_str(text: &str) -> Result<Self, ProcessingError> {
        parse_traceparent(text).ok_or_else(|| {
            ProcessingError::configuration(
                format!(
                    "{text:?} is not a W3C traceparent: expected 00-<32 lower-case hex digits, not \
                     all 0>-<16, not all 0>-<2>"
                ),
                Some("traceparent".into()),
            )
        })
    }
}

fn parse_traceparent(text: &str) -> Option<SpanContext> {
    let (known, rest) = text.as_bytes().split_at_checked(55)?;
    let [version] = unhex(&known[..2])?;
    let separated = [2, 35, 52].iter().all(|&at| known[at] == b'-');
    let ends = rest.is_empty() || (version > 0 && rest[0] == b'-');
    if version == 0xff || !separated || !ends {
        return None;
    }
    let [trace_flags] = unhex(&known[53..])?;
    let span = SpanContext {
        trace_id: unhex(&known[3..35])?,
        span_id: unhex(&known[36..52])?,
        trace_flags,
        remote: true,
    };
    span.is_valid().then_some(span)
}

/// Reads lower-case hexadecimal digits, two for each byte.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SpanContext {
        SpanContext {
            trace_id: [
                0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80,
                0x31, 0x9c,
            ],
            span_id: [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31],
            trace_flags: 1,
            remote: true,
        }
    }

    #[test]
    fn text_is_the_traceparent_header() {
        assert_eq!(
            example().to_string(),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
    }

    #[test]
    fn what_is_written_can_be_read() {
        let span = example();
        assert_eq!(
            span.to_string().parse::<SpanContext>().expect("valid"),
            span
        );
        let later = format!("cc{}-more", &span.to_string()[2..]);
        assert_eq!(later.parse::<SpanContext>().expect("later version"), span);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333\u{e9}-1",
        ] {
            let error = text.parse::<SpanContext>().expect_err(text);
            assert_eq!(error.field(), Some("traceparent"), "{text}");
        }
    }

    #[test]
    fn links_round_trip() {
        let span = example();
        assert_eq!(SpanContext::from_link(&span.to_link()), span);
    }

    #[test]
    fn zero_ids_are_invalid() {
        let span = example();
        assert!(span.is_valid() && span.is_sampled());
        let no_trace = SpanContext {
            trace_id: [0; 16],
            ..span
        };
        let no_span = SpanContext {
            span_id: [0; 8],
            ..span
        };
        assert!(!no_trace.is_valid() && !no_span.is_valid());
    }
}
