// SPDX-License-Identifier: Apache-2.0

//! Reads and changes OTLP protobuf as it stands: nothing is decoded that nobody looks at, and what is not
//! changed keeps its bytes, unknown fields included.
//!
//! A node implements [`Visitor`], and has [`send_changed`] walk a message with it. The guide has
//! [a section](https://github.com/otapbridge/otapbridge/blob/main/docs/node-authors.md#changing-otlp) on it.

pub use otapbridge_otlp::wire::{Field, Malformed, Reader};
pub use otapbridge_otlp::{
    AnyValue, Attribute, Attributes, Content, EncodedValue, FieldType, Interest, KeyLengths, List,
    MAX_VALUE_DEPTH, Map, MessageType, Messages, Outcome, PointType, Value, Visit, Visitor, key,
    walk,
};

use otapbridge_otlp::reusable;

use crate::{
    ContextAwareEffectHandler, OtapPdata, ProcessingError, RequestContext, Signal, signal,
    with_otlp_bytes,
};

/// Changes the data of a message and sends it on. One that does not change goes on as it is, and one of
/// which no item is left is acknowledged.
///
/// `change` gets the message's signal, its export request and the request's context, and usually calls
/// [`walk`]:
///
/// ```no_run
/// use otapbridge::otlp::{Visitor, send_changed, walk};
/// use otapbridge::prelude::*;
///
/// async fn forward(
///     data: OtapPdata,
///     effect_handler: &mut ContextAwareEffectHandler,
///     mut visitor: impl Visitor,
/// ) -> Result<(), ProcessingError> {
///     send_changed(data, effect_handler, |signal, request, _context| {
///         walk(signal, request, &mut visitor)
///     })
///     .await
/// }
/// ```
///
/// # Errors
/// That of `change`; InvalidArgument if the data cannot be converted to OTLP; those of
/// [`send_message`](ContextAwareEffectHandler::send_message) and [`ack`](ContextAwareEffectHandler::ack).
pub async fn send_changed(
    mut data: OtapPdata,
    effect_handler: &mut ContextAwareEffectHandler,
    change: impl FnOnce(Signal, &[u8], &RequestContext) -> Result<Outcome, ProcessingError>,
) -> Result<(), ProcessingError> {
    let request = effect_handler.otlp_bytes(&mut data).await?;
    let signal = signal(&data);
    match change(signal, &request, effect_handler.context())? {
        Outcome::Unchanged => {}
        Outcome::Changed(changed) => data = with_otlp_bytes(data, signal, reusable(changed)),
        Outcome::Nothing => return effect_handler.ack(data).await,
    }
    effect_handler.send_message(data).await
}
