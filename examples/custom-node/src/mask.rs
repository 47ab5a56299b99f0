// SPDX-License-Identifier: Apache-2.0

//! Masks e-mail addresses.

use otapbridge::otlp::{
    Attributes, EncodedValue, Interest, MessageType, Messages, Value, Visitor, send_changed, walk,
};
use otapbridge::prelude::*;
use serde::Deserialize;

const MASK: &[u8] = b"***";

/// Processor `urn:example:processor:mask`: replaces what stands before the `@` of e-mail
/// addresses by `***`, in attributes that are texts: those of resources, scopes, and of all
/// that is in them.
pub struct Mask {
    config: Config,
}

/// See [`Mask`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The keys of the attributes that are looked at.
    keys: Vec<String>,
}

impl ProcessorNode for Mask {
    const URN: &'static str = "urn:example:processor:mask";
    const AT_MOST_ONE_OUTPUT: bool = true;
    type Config = Config;

    fn create(config: Config) -> Result<Self, ProcessingError> {
        if config.keys.is_empty() {
            let field = Some("keys".to_owned());
            return Err(ProcessingError::configuration(
                "must name at least one attribute",
                field,
            ));
        }
        Ok(Self { config })
    }
}

#[async_trait(?Send)]
impl ContextAwareProcessor for Mask {
    async fn process_with_context(
        &mut self,
        msg: Message<OtapPdata>,
        effect_handler: &mut ContextAwareEffectHandler,
    ) -> Result<(), ProcessingError> {
        let Message::PData(data) = msg else {
            return Ok(());
        };
        let mut masking = Masking {
            keys: &self.config.keys,
        };
        send_changed(data, effect_handler, |signal, request, _context| {
            walk(signal, request, &mut masking)
        })
        .await
    }
}

/// What happens in one request.
struct Masking<'a> {
    keys: &'a [String],
}

impl Visitor for Masking<'_> {
    fn interest(&self) -> Interest {
        Interest {
            attributes: Messages::ALL,
            ..Interest::default()
        }
    }

    fn attributes(
        &mut self,
        _of: MessageType,
        attributes: &mut Attributes<'_, '_>,
    ) -> Result<(), ProcessingError> {
        attributes.replace(|attribute| {
            if !self
                .keys
                .iter()
                .any(|key| key.as_bytes() == attribute.key())
            {
                return Ok(None);
            }
            let value = attribute.value()?;
            let Value::Text(text) = value.value()? else {
                return Ok(None);
            };
            Ok(masked(text).map(|masked| EncodedValue::text(&masked)))
        })
    }
}

/// A text in which addresses are masked; `None` if there is none in it. It need not be UTF-8.
fn masked(text: &[u8]) -> Option<Vec<u8>> {
    let mut masked = Vec::new();
    let mut copied = 0;
    for at in (0..text.len()).filter(|at| text[*at] == b'@') {
        let before = text[copied..at].iter().rev();
        let local = before.take_while(|byte| is_local(**byte)).count();
        let has_domain = text.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        if local > 0 && has_domain {
            masked.extend_from_slice(&text[copied..at - local]);
            masked.extend_from_slice(MASK);
            copied = at;
        }
    }
    masked.extend_from_slice(&text[copied..]);
    (copied > 0).then_some(masked)
}

/// Whether a byte can be part of what is masked. The mask's cannot, so that nothing is masked twice.
fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".!#$%&'+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests;
