// SPDX-License-Identifier: Apache-2.0

//! The attributes processor's configuration.
//!
//! Names, defaults and what is required are those of `processor:attribute` in the engine's
//! `otel-arrow-dfe-core-nodes` v0.62.0, and of the attributes processor of `opentelemetry-collector-contrib`
//! v0.161.0 where the engine has none. What neither knows is refused.

use otapbridge::{ProcessingError, Secret};
use otapbridge_otlp::{EncodedValue, Messages};
use regex::bytes::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::action::{Action, Keys, Set, SetHow, Source};
use super::convert::ConvertedType;
use crate::conditions::{ConditionsConfig, Of, Selection, regular_expression};
use crate::context_source::ContextSource;
use crate::wrong;

/// What is written in the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Nothing says the signal's own.
    apply_to: Vec<ApplyTo>,
    include: Option<ConditionsConfig>,
    exclude: Option<ConditionsConfig>,
    actions: Vec<ActionConfig>,
}

/// Whose attributes are changed. `resource`, `scope` and `signal` are the engine's; the others are
/// the contexts of OTTL, and what is in them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ApplyTo {
    Resource,
    Scope,
    Signal,
    Span,
    SpanEvent,
    SpanLink,
    Metric,
    DataPoint,
    Exemplar,
    Log,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ActionConfig {
    #[serde(deserialize_with = "action_name")]
    action: Option<ActionName>,
    key: Option<String>,
    value: Option<Value>,
    from_attribute: Option<String>,
    from_context: Option<ContextSource>,
    default_value: Option<Value>,
    source_key: Option<String>,
    destination_key: Option<String>,
    pattern: Option<String>,
    converted_type: Option<ConvertedType>,
    algorithm: Option<HashAlgorithm>,
    salt: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionName {
    Insert,
    Update,
    Upsert,
    Delete,
    Rename,
    Hash,
    Convert,
    Extract,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HashAlgorithm {
    Sha256,
}

/// Go's processor takes them in any letter case.
fn action_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ActionName>, D::Error> {
    let name = String::deserialize(deserializer)?.to_lowercase();
    ActionName::deserialize(serde::de::value::StrDeserializer::new(&name)).map(Some)
}

impl ApplyTo {
    const fn messages(self) -> Messages {
        match self {
            Self::Resource => Messages::RESOURCE,
            Self::Scope => Messages::SCOPE,
            Self::Signal => Messages::SIGNAL,
            Self::Span => Messages::SPAN,
            Self::SpanEvent => Messages::SPAN_EVENT,
            Self::SpanLink => Messages::SPAN_LINK,
            Self::Metric => Messages::METRIC,
            Self::DataPoint => Messages::DATA_POINT,
            Self::Exemplar => Messages::EXEMPLAR,
            Self::Log => Messages::LOG_RECORD,
        }
    }
}

impl Config {
    /// One that sets resource attributes from the context.
    pub(crate) fn from_context(actions: impl IntoIterator<Item = (String, ContextSource)>) -> Self {
        let upsert = |(key, source)| ActionConfig {
            action: Some(ActionName::Upsert),
            key: Some(key),
            from_context: Some(source),
            ..ActionConfig::default()
        };
        Self {
            apply_to: vec![ApplyTo::Resource],
            actions: actions.into_iter().map(upsert).collect(),
            ..Self::default()
        }
    }

    pub(super) fn apply_to(&self) -> Messages {
        if self.apply_to.is_empty() {
            return Messages::SIGNAL;
        }
        let messages = self.apply_to.iter().map(|name| name.messages());
        messages.fold(Messages::NONE, Messages::or)
    }

    /// # Errors
    /// Configuration, with the path of what is wrong.
    pub(super) fn actions(&self) -> Result<Vec<Action>, ProcessingError> {
        let actions = self.actions.iter().enumerate();
        actions
            .map(|(index, action)| action.compile(&format!("actions[{index}]")))
            .collect()
    }

    /// Checks that something that is to be changed can fulfil the conditions.
    ///
    /// # Errors
    /// Configuration, with the path of a condition that is about something else.
    pub(super) fn check_conditions(&self) -> Result<(), ProcessingError> {
        let apply_to = self.apply_to();
        let describes = Messages::RESOURCE | Messages::SCOPE;
        let of_traces = Messages::SPAN | Messages::SPAN_EVENT | Messages::SPAN_LINK;
        let of_metrics = Messages::METRIC | Messages::DATA_POINT | Messages::EXEMPLAR;
        let of_signals = [
            (of_traces, Of::Traces),
            (of_metrics, Of::Metrics),
            (Messages::LOG_RECORD, Of::Logs),
        ];
        let reached = of_signals.into_iter();
        let reached: Vec<Of> = reached
            .filter(|(messages, _)| !apply_to.and(describes.or(*messages)).is_empty())
            .map(|(_, of)| of)
            .collect();
        for (written, path) in [(&self.include, "include"), (&self.exclude, "exclude")] {
            let Some(written) = written else {
                continue;
            };
            let foreign = |of: &Of| written.foreign(*of).next();
            if let Some(field) = reached.iter().map(foreign).collect::<Option<Vec<_>>>()
                && let Some(field) = field.first()
            {
                let message = "nothing to which this node applies can fulfil all of these conditions: \
                               use a node for each signal";
                return Err(wrong(message, format!("{path}.{field}")));
            }
        }
        Ok(())
    }

    /// # Errors
    /// Configuration, with the path of what is wrong.
    pub(super) fn selection(&self, of: Of) -> Result<Selection, ProcessingError> {
        let apply_to = self.apply_to();
        let conditions = |written: &Option<ConditionsConfig>, path: &str| {
            let Some(written) = written else {
                return Ok(None);
            };
            if written.is_empty() {
                return Err(wrong("must name at least one condition", path));
            }
            let on_items = written.on_items().next();
            let inwards = [
                (
                    Messages::RESOURCE,
                    "resource",
                    written.on_scopes().next().or(on_items),
                ),
                (Messages::SCOPE, "scope", on_items),
            ];
            for (messages, name, field) in inwards {
                if let Some(field) = field
                    && !apply_to.and(messages).is_empty()
                {
                    let message = format!(
                        "is asked of what is in a {name}, whose own attributes this node changes, too: use another node \
                         for `apply_to: [{name}]`"
                    );
                    return Err(wrong(message, format!("{path}.{field}")));
                }
            }
            written.of_any(of, path).map(Some)
        };
        Ok(Selection {
            include: conditions(&self.include, "include")?,
            exclude: conditions(&self.exclude, "exclude")?,
        })
    }
}

/// The settings that an action can have.
type Settings = &'static [&'static str];

impl ActionConfig {
    fn compile(&self, path: &str) -> Result<Action, ProcessingError> {
        use ActionName::{Convert, Delete, Extract, Hash, Insert, Rename, Update, Upsert};
        let Some(name) = self.action else {
            return Err(wrong("is missing", format!("{path}.action")));
        };
        let of_set: Settings = &[
            "key",
            "value",
            "from_attribute",
            "from_context",
            "default_value",
        ];
        let settings: Settings = match name {
            Insert | Update | Upsert => of_set,
            Delete => &["key", "pattern"],
            Rename => &["source_key", "destination_key"],
            Hash => &["key", "pattern", "algorithm", "salt"],
            Convert => &["key", "converted_type"],
            Extract => &["key", "pattern"],
        };
        if let Some(foreign) = self.named().find(|field| !settings.contains(field)) {
            let message = format!(
                "is no setting of this action, which has {}",
                settings.join(", ")
            );
            return Err(wrong(message, format!("{path}.{foreign}")));
        }
        Ok(match name {
            Insert => Action::Set(self.set(SetHow::Insert, path)?),
            Update => Action::Set(self.set(SetHow::Update, path)?),
            Upsert => Action::Set(self.set(SetHow::Upsert, path)?),
            Delete => Action::Delete(self.keys(path)?),
            Rename => Action::Rename {
                from: required(self.source_key.as_ref(), path, "source_key")?,
                to: required(self.destination_key.as_ref(), path, "destination_key")?,
            },
            Hash => {
                let HashAlgorithm::Sha256 = self.algorithm.unwrap_or(HashAlgorithm::Sha256);
                Action::Hash {
                    keys: self.keys(path)?,
                    salt: self.salt.clone(),
                }
            }
            Convert => Action::Convert {
                key: required(self.key.as_ref(), path, "key")?,
                to: self.converted_type.ok_or_else(|| {
                    let message = "is missing: write int, double or string";
                    wrong(message, format!("{path}.converted_type"))
                })?,
            },
            Extract => {
                let pattern = self.pattern(path)?.ok_or_else(|| {
                    let message = "is missing: write a regular expression with named groups";
                    wrong(message, format!("{path}.pattern"))
                })?;
                Action::Extract {
                    key: required(self.key.as_ref(), path, "key")?,
                    targets: targets(&pattern, path)?,
                    pattern,
                }
            }
        })
    }

    /// The settings that are written.
    fn named(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("key", self.key.is_some()),
            ("value", self.value.is_some()),
            ("from_attribute", self.from_attribute.is_some()),
            ("from_context", self.from_context.is_some()),
            ("default_value", self.default_value.is_some()),
            ("source_key", self.source_key.is_some()),
            ("destination_key", self.destination_key.is_some()),
            ("pattern", self.pattern.is_some()),
            ("converted_type", self.converted_type.is_some()),
            ("algorithm", self.algorithm.is_some()),
            ("salt", self.salt.is_some()),
        ];
        let fields = fields.into_iter();
        fields.filter_map(|(field, is_named)| is_named.then_some(field))
    }

    fn set(&self, how: SetHow, path: &str) -> Result<Set, ProcessingError> {
        let key = required(self.key.as_ref(), path, "key")?;
        let sources = ["value", "from_attribute", "from_context"];
        let mut named = self.named().filter(|field| sources.contains(field));
        let source = match (named.next(), named.next()) {
            (Some(first), Some(second)) => {
                let message = format!("and {first} are both written; an attribute is set to one");
                return Err(wrong(message, format!("{path}.{second}")));
            }
            (Some("value"), _) => {
                let value = self.value.as_ref().unwrap_or(&Value::Null);
                Source::Value(encoded(value, &format!("{path}.value"))?)
            }
            (Some("from_attribute"), _) => Source::Attribute(required(
                self.from_attribute.as_ref(),
                path,
                "from_attribute",
            )?),
            (Some(_), _) => self
                .from_context
                .clone()
                .map_or(Source::None, Source::Context),
            (None, _) if self.default_value.is_some() => Source::None,
            (None, _) => {
                let message =
                    "is missing: write value, from_attribute, from_context or default_value";
                return Err(wrong(message, format!("{path}.value")));
            }
        };
        let default = self.default_value.as_ref();
        Ok(Set {
            how,
            key,
            source,
            default: default
                .map(|value| encoded(value, &format!("{path}.default_value")))
                .transpose()?,
        })
    }

    fn keys(&self, path: &str) -> Result<Keys, ProcessingError> {
        let keys = Keys {
            key: match &self.key {
                Some(_) => Some(required(self.key.as_ref(), path, "key")?),
                None => None,
            },
            pattern: self.pattern(path)?,
        };
        if keys.key.is_none() && keys.pattern.is_none() {
            let message = "is missing: write key, pattern or both";
            return Err(wrong(message, format!("{path}.key")));
        }
        Ok(keys)
    }

    fn pattern(&self, path: &str) -> Result<Option<Regex>, ProcessingError> {
        let compile = |text: &String| {
            if text.is_empty() {
                let message = "must not be empty: it would be found everywhere";
                return Err(wrong(message, format!("{path}.pattern")));
            }
            regular_expression(text, format!("{path}.pattern"))
        };
        self.pattern.as_ref().map(compile).transpose()
    }
}

/// A key, which must not be empty.
fn required(key: Option<&String>, path: &str, field: &str) -> Result<Box<[u8]>, ProcessingError> {
    match key {
        Some(key) if !key.is_empty() => Ok(key.as_bytes().into()),
        Some(_) => {
            let message = "must not be empty: name the attribute";
            Err(wrong(message, format!("{path}.{field}")))
        }
        None => Err(wrong(
            "is missing: name the attribute",
            format!("{path}.{field}"),
        )),
    }
}

/// The names of a pattern's groups, all of which need one.
fn targets(pattern: &Regex, path: &str) -> Result<Vec<Box<[u8]>>, ProcessingError> {
    let wrong = |message| wrong(message, format!("{path}.pattern"));
    let names: Option<Vec<_>> = (pattern.capture_names().skip(1))
        .map(|name| name.map(|name| name.as_bytes().into()))
        .collect();
    let names = names.ok_or_else(|| {
        wrong(
            "has a group without a name: write (?P<name>…), or (?:…) for one that is not extracted",
        )
    })?;
    if names.is_empty() {
        return Err(wrong(
            "has no group: write (?P<name>…) for each attribute to extract",
        ));
    }
    Ok(names)
}

/// A value that is written, as it goes on the wire.
fn encoded(value: &Value, path: &str) -> Result<EncodedValue, ProcessingError> {
    Ok(match value {
        Value::Null => return Err(wrong("must not be null", path)),
        Value::Bool(value) => EncodedValue::from(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => EncodedValue::from(number),
            // Larger than any integer of OTLP.
            (None, Some(number)) if number.is_finite() && !value.is_u64() => {
                EncodedValue::from(number)
            }
            _ => {
                let message = format!("{number} does not fit into 64 bits with a sign");
                return Err(wrong(message, path));
            }
        },
        Value::String(text) => EncodedValue::from(text.as_str()),
        Value::Array(values) => {
            let values = values.iter().enumerate();
            let values: Result<Vec<_>, _> = values
                .map(|(index, value)| encoded(value, &format!("{path}[{index}]")))
                .collect();
            EncodedValue::list(values?)
        }
        Value::Object(entries) => {
            if let Some(message) = wrapped(entries) {
                return Err(wrong(message, path));
            }
            let entries: Result<Vec<_>, ProcessingError> = (entries.iter())
                .map(|(key, value)| Ok((key.as_str(), encoded(value, &format!("{path}.{key}"))?)))
                .collect();
            EncodedValue::map(entries?)
        }
    })
}

/// The engine's documentation writes `value: {string: prod}`, and the engine refuses it: it would be a map here.
fn wrapped(entries: &serde_json::Map<String, Value>) -> Option<String> {
    let (name, value) = entries.iter().next().filter(|_| entries.len() == 1)?;
    let is_type = ["string", "str", "bool", "int", "double"].contains(&name.as_str());
    is_type.then(|| format!("is written as it is, without its type: {value}"))
}
