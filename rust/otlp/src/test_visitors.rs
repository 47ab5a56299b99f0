// SPDX-License-Identifier: Apache-2.0

//! Visitors made of a closure, and what they come to.

use otapbridge_context::{ProcessingError, Signal};

use crate::wire::Reader;
use crate::{Attributes, Interest, MessageType, Messages, Outcome, Visit, Visitor, walk};

/// Is given attributes.
struct Changing<F>(Messages, F);

impl<F> Visitor for Changing<F>
where
    F: FnMut(MessageType, &mut Attributes<'_, '_>) -> Result<(), ProcessingError>,
{
    fn interest(&self) -> Interest {
        Interest {
            attributes: self.0,
            ..Interest::default()
        }
    }

    fn attributes(
        &mut self,
        of: MessageType,
        attributes: &mut Attributes<'_, '_>,
    ) -> Result<(), ProcessingError> {
        self.1(of, attributes)
    }
}

/// Says what stays.
struct Asked<F>(Messages, F);

impl<F: FnMut(MessageType, Reader<'_>) -> Visit> Visitor for Asked<F> {
    fn interest(&self) -> Interest {
        Interest {
            messages: self.0,
            ..Interest::default()
        }
    }

    fn resource(&mut self, data: Reader<'_>) -> Result<Visit, ProcessingError> {
        Ok(self.1(MessageType::Resource, data))
    }

    fn scope(&mut self, data: Reader<'_>) -> Result<Visit, ProcessingError> {
        Ok(self.1(MessageType::Scope, data))
    }

    fn item(&mut self, r#type: MessageType, item: Reader<'_>) -> Result<Visit, ProcessingError> {
        Ok(self.1(r#type, item))
    }

    fn part(&mut self, r#type: MessageType, part: Reader<'_>) -> Result<Visit, ProcessingError> {
        Ok(self.1(r#type, part))
    }
}

/// What becomes of a request whose attributes are changed.
pub(crate) fn change(
    signal: Signal,
    request: &[u8],
    of: Messages,
    change: impl FnMut(MessageType, &mut Attributes<'_, '_>) -> Result<(), ProcessingError>,
) -> Result<Outcome, ProcessingError> {
    walk(signal, request, &mut Changing(of, change))
}

/// What is left of a request of which it is said what stays.
pub(crate) fn ask(
    signal: Signal,
    request: &[u8],
    of: Messages,
    stays: impl FnMut(MessageType, Reader<'_>) -> Visit,
) -> Result<Outcome, ProcessingError> {
    walk(signal, request, &mut Asked(of, stays))
}

/// The bytes of a request that has changed.
pub(crate) fn changed(outcome: Result<Outcome, ProcessingError>) -> Vec<u8> {
    match outcome {
        Ok(Outcome::Changed(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

/// Checks that a request stays as it is.
#[track_caller]
pub(crate) fn assert_unchanged(outcome: Result<Outcome, ProcessingError>) {
    assert_eq!(outcome.expect("well-formed"), Outcome::Unchanged);
}
