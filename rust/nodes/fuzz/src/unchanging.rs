// SPDX-License-Identifier: Apache-2.0

use context::{ProcessingError, Signal};
use otapbridge_otlp::{Attributes, Interest, MessageType, Messages, Outcome, Visitor, walk};

/// Looks at attributes, and changes none.
struct Looking(Messages);

impl Visitor for Looking {
    fn interest(&self) -> Interest {
        Interest {
            attributes: self.0,
            ..Interest::default()
        }
    }

    fn attributes(
        &mut self,
        _: MessageType,
        attributes: &mut Attributes<'_, '_>,
    ) -> Result<(), ProcessingError> {
        let keys = attributes.iter().map(|attribute| attribute.key().len());
        let _ = keys.sum::<usize>();
        Ok(())
    }
}

/// Checks that a request can be walked through again.
pub(crate) fn assert_unchanged(signal: Signal, request: &[u8], of: Messages) {
    let outcome = walk(signal, request, &mut Looking(of));
    assert_eq!(outcome.expect("well-formed"), Outcome::Unchanged);
}
