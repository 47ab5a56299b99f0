// SPDX-License-Identifier: Apache-2.0

//! What values are hashed and converted to.

use otapbridge::{ProcessingError, RequestContext, Signal};
use otapbridge_otlp::Outcome;
use serde_json::json;

use super::test_otlp::*;

/// What a value is hashed to, without and with a salt; `None` if it is left.
fn hashed(of: &KeyValue) -> [Option<String>; 2] {
    [json!({}), json!({"algorithm": "sha256", "salt": "pepper"})].map(|more| {
        let mut action = more;
        action["action"] = json!("hash");
        action["key"] = json!(of.key);
        let changed = changed(&doing(json!([action])), std::slice::from_ref(of))?;
        let value = changed[0].value.as_ref()?.value.as_ref()?;
        assert_eq!(changed.len(), 1);
        let OneOf::Text(text) = value else {
            panic!("{value:?} is no text");
        };
        Some(text.clone())
    })
}

fn hash(of: impl Into<OneOf>) -> String {
    let [without_salt, _] = hashed(&attribute("a", of));
    without_salt.expect("a hash")
}

/// The texts were computed by Python's hashlib: of texts, bytes, truth values and numbers as the engine writes them.
#[test]
fn hashes_are_sha_256_in_hexadecimal_digits() {
    for (value, expected) in [
        (
            OneOf::from("jane@example.com"),
            "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d",
        ),
        (
            OneOf::from(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            bytes(b"\x00\xff"),
            "06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8",
        ),
        (
            OneOf::from(true),
            "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
        ),
        (
            OneOf::from(false),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            OneOf::from(-7),
            "9db26f8ea010babf6afb228a7b257afe54c28f98cd0b246a2f16dc14d16336d7",
        ),
        (
            OneOf::from(1.5),
            "e163f8cb0f7067a7fc78ca859a77f849aea3214f38fb75b884e4a16be725c905",
        ),
        (list(["a".into(), 1.into()]), LIST),
        (
            list([]),
            "6c449f91c1adbf3945ad078f5f875c0c1f133f246c4588668faffbe23a3c195f",
        ),
        (
            map(&[]),
            "69c29c051218dbea38795b1cdfd816855c312a9cbc0b1daaa79bb9a0b895361a",
        ),
        (
            map(&[
                attribute("a", 1),
                attribute("b", list([true.into(), 1.5.into()])),
                attribute("c", map(&[attribute("x", bytes(b"\x00\xff"))])),
            ]),
            "7ecea0ea40958db8fd79adef33cff7bd67e84cbbbcc19cc80cb0e9703a680c65",
        ),
    ] {
        assert_eq!(hash(value.clone()), expected, "{value:?}");
    }
}

/// Of `["a", 1]`.
const LIST: &str = "7919f0e112f41bd06f6421ae56b2fd648546ee81404abfae35b40347b2cb9ff1";

#[test]
fn a_salt_comes_first() {
    for (value, expected) in [
        (
            OneOf::from("jane@example.com"),
            "2daebb07b6fe2686ef59cd504c8b776ad69262a4e97fbc978e5d7851bdc6fe15",
        ),
        (
            list(["a".into(), 1.into()]),
            "c6113f14508ccb9c36a6765ab2cad35c6b276f29626a9d4f3cda44a988cf6ef5",
        ),
    ] {
        let [_, salted] = hashed(&attribute("a", value));
        assert_eq!(salted.as_deref(), Some(expected));
    }
}

#[test]
fn maps_that_say_the_same_have_one_hash() {
    let inner = |keys: [&str; 2]| map(&keys.map(|key| attribute(key, key)));
    let outer = |first: &str, second: &str, keys| {
        let of = |key: &str| match key {
            "list" => attribute(key, list([inner(keys)])),
            _ => attribute(key, 1),
        };
        map(&[of(first), of(second)])
    };
    let expected = hash(outer("list", "x", ["a", "b"]));
    assert_eq!(hash(outer("x", "list", ["a", "b"])), expected);
    assert_eq!(hash(outer("x", "list", ["b", "a"])), expected);
    assert_ne!(hash(outer("x", "list", ["b", "c"])), expected);
    // The order of a list says something.
    let two = |first: i64, second: i64| hash(list([first.into(), second.into()]));
    assert_ne!(two(1, 2), two(2, 1));
    // Nothing is mixed up with something else.
    let different = [
        list(["a".into(), "b".into()]),
        list(["ab".into()]),
        list([list(["a".into()]), "b".into()]),
        list([bytes(b"a"), "b".into()]),
        map(&[attribute("a", "b")]),
        map(&[attribute("ab", "")]),
        list([1.into()]),
        list([true.into()]),
        list([1.0.into()]),
    ]
    .map(hash);
    for (index, one) in different.iter().enumerate() {
        assert!(!different[..index].contains(one), "{index}");
    }
}

#[test]
fn what_has_no_bytes_is_left_and_what_is_not_known_is_hashed() {
    for left in [absent("a"), nothing("a")] {
        assert_eq!(hashed(&left), [None, None]);
    }
    // A value of a later protocol: field 15, "x".
    let request = |value: &[u8]| {
        let key_value = [field(1, b"a"), field(2, value)].concat();
        below(&[1, 2, 2, 6], &key_value)
    };
    let node = doing(json!([{"action": "hash", "key": "a"}]));
    let outcome = apply(&node, Signal::Logs, &request(&field(15, b"x")));
    let expected = b"9cec4bf0ffba1753aff085f393f387407479b11725d7aeb3107081cd2b335f07";
    assert_eq!(outcome, Outcome::Changed(request(&field(1, expected))));
}

#[test]
fn hash_takes_a_key_a_pattern_or_both() {
    let attributes = ["user.mail", "user.name", "mail"].map(|key| attribute(key, key));
    for (which, hashed) in [
        (json!({"key": "mail"}), [false, false, true]),
        (json!({"pattern": "^user"}), [true, true, false]),
        (
            json!({"key": "mail", "pattern": "name$"}),
            [false, true, true],
        ),
    ] {
        let mut action = which.clone();
        action["action"] = json!("hash");
        let changed = changed(&doing(json!([action])), &attributes).expect("a change");
        let found: Vec<_> = changed
            .iter()
            .zip(&attributes)
            .map(|(after, before)| after != before)
            .collect();
        assert_eq!(found, hashed, "{which}");
    }
}

/// Lists inside each other.
fn nested(levels: usize) -> OneOf {
    (1..levels).fold(list([]), |inner, _| list([inner]))
}

fn refusal(action: serde_json::Value, of: &KeyValue) -> Option<ProcessingError> {
    let node = doing(json!([action]));
    changed_with(&node, std::slice::from_ref(of), &RequestContext::empty()).err()
}

#[test]
fn values_that_are_too_deep_or_too_large_are_refused() {
    let hash = json!({"action": "hash", "key": "a"});
    let convert = json!({"action": "convert", "key": "a", "converted_type": "string"});
    let entries: Vec<_> = (0..16_385)
        .map(|number| attribute(&number.to_string(), 1))
        .collect();
    for action in [hash, convert] {
        let of = |value| refusal(action.clone(), &attribute("a", value));
        assert!(of(nested(100)).is_none(), "{action}");
        assert!(of(map(&entries[1..])).is_none(), "{action}");
        for (value, what) in [(nested(101), "nested"), (map(&entries), "16384 entries")] {
            let error = of(value).expect(what);
            assert_eq!(error.grpc_code(), 3, "{error}");
            assert!(error.message().contains(what), "{error}");
        }
        // A scalar is no further level.
        let full = (0..100).fold(OneOf::from(7), |inner, _| list([inner]));
        assert!(of(full.clone()).is_none(), "{action}");
        assert!(of(list([full])).is_some(), "{action}");
        // Of what is not asked for the depth does not matter.
        assert!(refusal(action.clone(), &attribute("b", nested(101))).is_none());
    }
}

/// What a value is converted to; `None` if it is left.
fn converted(value: &KeyValue, to: &str) -> Option<OneOf> {
    let node = doing(json!([{"action": "convert", "key": value.key, "converted_type": to}]));
    let changed = changed(&node, std::slice::from_ref(value))?;
    assert_eq!(changed.len(), 1);
    changed[0].value.clone()?.value
}

fn expect_converted(to: &str, cases: Vec<(OneOf, Option<OneOf>)>) {
    for (value, expected) in cases {
        let found = converted(&attribute("a", value.clone()), to);
        assert_eq!(found, expected, "{value:?} to {to}");
    }
}

#[test]
fn to_int() {
    let int = |number: i64| Some(OneOf::from(number));
    expect_converted(
        "int",
        vec![
            ("42".into(), int(42)),
            ("-7".into(), int(-7)),
            ("+7".into(), int(7)),
            ("007".into(), int(7)),
            ("9223372036854775807".into(), int(i64::MAX)),
            ("9223372036854775808".into(), None),
            ("".into(), None),
            (" 7".into(), None),
            ("7.0".into(), None),
            ("0x10".into(), None),
            ("many".into(), None),
            (7.into(), None),
            (true.into(), int(1)),
            (false.into(), int(0)),
            (1.9.into(), int(1)),
            ((-1.9).into(), int(-1)),
            ((-0.0).into(), int(0)),
            ((-9_223_372_036_854_775_808.0).into(), int(i64::MIN)),
            (9_223_372_036_854_775_808.0.into(), None),
            (f64::INFINITY.into(), None),
            (f64::NAN.into(), None),
            (bytes(b"7"), None),
            (list([7.into()]), None),
            (map(&[]), None),
        ],
    );
    assert_eq!(converted(&absent("a"), "int"), None);
}

#[test]
fn to_double() {
    let double = |number: f64| Some(OneOf::from(number));
    expect_converted(
        "double",
        vec![
            ("1.5".into(), double(1.5)),
            ("-1e3".into(), double(-1000.0)),
            ("7".into(), double(7.0)),
            ("inf".into(), double(f64::INFINITY)),
            ("-Infinity".into(), double(f64::NEG_INFINITY)),
            ("1e999".into(), None),
            ("".into(), None),
            (" 1".into(), None),
            ("many".into(), None),
            (1.5.into(), None),
            (7.into(), double(7.0)),
            (true.into(), double(1.0)),
            (false.into(), double(0.0)),
            (bytes(b"7"), None),
            (list([7.into()]), None),
            (map(&[]), None),
        ],
    );
    let nan = converted(&attribute("a", "NaN"), "double");
    assert!(matches!(nan, Some(OneOf::Double(number)) if number.is_nan()));
    assert_eq!(converted(&nothing("a"), "double"), None);
}

#[test]
fn to_string() {
    let text = |text: &str| Some(OneOf::from(text));
    expect_converted(
        "string",
        vec![
            ("text".into(), None),
            (true.into(), text("true")),
            (false.into(), text("false")),
            (i64::MIN.into(), text("-9223372036854775808")),
            (1.5.into(), text("1.5")),
            (100.0.into(), text("100")),
            ((-0.0).into(), text("-0")),
            (1e20.into(), text("100000000000000000000")),
            (1e21.into(), text("1e+21")),
            (1.5e300.into(), text("1.5e+300")),
            (0.000_001.into(), text("0.000001")),
            (0.000_000_1.into(), text("1e-7")),
            (f64::NAN.into(), text("NaN")),
            (f64::INFINITY.into(), text("Infinity")),
            (f64::NEG_INFINITY.into(), text("-Infinity")),
            (bytes(b"\x00\xff"), text("AP8=")),
            (bytes(b""), text("")),
            (list([]), text("[]")),
            (
                list([
                    "a\"b".into(),
                    1.into(),
                    1.5.into(),
                    true.into(),
                    bytes(b"\x00\xff"),
                    list([]),
                ]),
                text(r#"["a\"b",1,1.5,true,"AP8=",[]]"#),
            ),
            (
                map(&[
                    attribute("b", 1),
                    nothing("c"),
                    attribute("a", map(&[])),
                    attribute("d", f64::NAN),
                ]),
                text(r#"{"a":{},"b":1,"c":null,"d":null}"#),
            ),
        ],
    );
    for empty in [absent("a"), nothing("a")] {
        assert_eq!(converted(&empty, "string"), text(""));
    }
}
