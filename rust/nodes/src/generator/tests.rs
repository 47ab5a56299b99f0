// SPDX-License-Identifier: Apache-2.0

use otapbridge::ReceiverNode;
use serde_json::{Value, json};

use super::*;
use otapbridge_otlp::Size;

fn create(config: Value) -> Result<Generator, ProcessingError> {
    let config = serde_json::from_value(config)
        .map_err(|error| ProcessingError::configuration(error.to_string(), None))?;
    Generator::create(config)
}

#[test]
fn the_configuration_is_checked() {
    for (config, field, text) in [
        (
            json!({"batch_size": 0}),
            Some("batch_size"),
            "between 1 and",
        ),
        (json!({"traceparent": "00-1-2-3"}), Some("traceparent"), ""),
        (json!({"interval": "1"}), None, "without a unit"),
        (json!({"signal": "spans"}), None, "spans"),
        (json!({"metadata": {"a": 1}}), None, "string or a list"),
        (json!({"rate": 1}), None, "rate"),
    ] {
        let error = create(config.clone()).map(drop).unwrap_err();
        assert_eq!(error.field(), field, "{config}");
        assert!(
            error.message().contains(text),
            "{config}: {}",
            error.message()
        );
    }
}

#[test]
fn requests_have_as_many_items_as_asked_and_never_the_same() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for parent in [None, Some(parent.parse::<SpanContext>().unwrap())] {
        for signal in Signal::ALL {
            let mut payloads = Payloads::new(signal, 300, parent);
            let (first, second) = (payloads.next(), payloads.next());
            assert_eq!(Size::of(signal, &first).unwrap().items, 300, "{signal:?}");
            assert_ne!(first, second, "{signal:?}");
        }
    }
}

#[test]
fn a_request_has_the_context_that_is_configured() {
    let generator = create(json!({
        "metadata": {"X-Tenant": ["a", "b"], "host": "example"},
        "timeout": "1m",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }))
    .unwrap();
    let context = generator.context().unwrap();
    let values: Vec<&[u8]> = context
        .metadata()
        .get("x-tenant")
        .map(|value| value.as_bytes())
        .collect();
    assert_eq!(values, [b"a", b"b"]);
    assert!(context.remaining().unwrap() > Duration::from_secs(50));
    assert_eq!(context.span_context().unwrap().span_id[0], 0xb7);
}
