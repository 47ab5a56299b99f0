// SPDX-License-Identifier: Apache-2.0

//! What is asked of telemetry: the `include` and `exclude` of filter and attributes. All fields of one must match; a field
//! that is not named asks for nothing. The engine's `include` does that, too; its
//! `exclude` drops what matches the resource, the attributes or the other fields of a
//! record or span, whichever.

use otapbridge::RequestContext;
use otapbridge_otlp::wire::{Malformed, Reader};
use otapbridge_otlp::{FieldType, MessageType};

mod config;
mod item;
mod selection;
mod value;

pub(crate) use config::{ConditionsConfig, Of, regular_expression};
use item::{ItemConditions, Named};
pub(crate) use selection::{Levels, OfMetric, Selection, Unselected};
pub(crate) use value::is_found;
use value::{AttributeConditions, Pattern, ValueCondition};

use crate::context_source::ContextSource;

/// An `include` or an `exclude` that asks for something.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// The request's context has to have all of them.
    context: Vec<ContextCondition>,
    resource: ResourceConditions,
    scope: ScopeConditions,
    item: ItemConditions,
    /// Whether something is asked that these items do not have.
    is_impossible: bool,
}

/// Something of the request's context.
#[derive(Clone, Debug)]
struct ContextCondition {
    source: ContextSource,
    /// Any value is right if there is none.
    value: Option<ValueCondition>,
}

#[derive(Clone, Debug)]
struct ResourceConditions {
    attributes: AttributeConditions,
}

#[derive(Clone, Debug)]
struct ScopeConditions {
    own: Named,
    /// One of them is enough.
    versions: Vec<Pattern>,
    /// One of them is enough.
    libraries: Vec<Library>,
}

/// A name with a version.
#[derive(Clone, Debug)]
struct Library {
    name: Pattern,
    /// Any version is right if there is none.
    version: Option<Pattern>,
}

impl Conditions {
    fn is_empty(&self) -> bool {
        self.context.is_empty()
            && self.resource.attributes.is_empty()
            && self.scope.is_empty()
            && self.item.is_empty()
            && !self.is_impossible
    }

    pub(crate) fn context_matches(&self, context: &RequestContext) -> bool {
        let matches = |condition: &ContextCondition| condition.matches(context);
        !self.is_impossible && self.context.iter().all(matches)
    }

    /// For a `ResourceSpans` or its like.
    pub(crate) fn resource_matches(&self, mut container: Reader<'_>) -> Result<bool, Malformed> {
        let mut seen = self.resource.attributes.none_seen();
        // Protobuf merges the occurrences of the resource: the attributes of all count.
        while !seen.is_enough()
            && let Some(resource) = container.next_of(MessageType::RESOURCE)?
        {
            let mut resource = resource.message()?;
            while let Some(attribute) = resource.next_of(MessageType::RESOURCE_ATTRIBUTES)? {
                seen.see(&attribute)?;
            }
        }
        Ok(seen.is_enough())
    }

    /// For a `ScopeSpans` or its like.
    pub(crate) fn scope_matches(&self, container: Reader<'_>) -> Result<bool, Malformed> {
        self.scope.matches(container)
    }

    /// Whether the scope matters, or the items.
    pub(crate) fn goes_below_resource(&self) -> bool {
        !self.scope.is_empty() || self.goes_below_scope()
    }

    /// Whether the items matter.
    pub(crate) fn goes_below_scope(&self) -> bool {
        !self.item.is_empty()
    }

    /// For a span, a log record, an event or a link; for a metric without its data points.
    #[inline]
    pub(crate) fn item_matches(
        &self,
        r#type: MessageType,
        item: Reader<'_>,
    ) -> Result<bool, Malformed> {
        self.item.matches(r#type, item)
    }

    /// Whether the data points of a metric are asked each by itself.
    pub(crate) fn asks_points(&self) -> bool {
        matches!(&self.item, ItemConditions::Metric(metric) if !metric.points.is_empty())
    }

    /// For a data point.
    pub(crate) fn point_matches(
        &self,
        r#type: MessageType,
        point: Reader<'_>,
    ) -> Result<bool, Malformed> {
        match &self.item {
            ItemConditions::Metric(metric) => metric.point_matches(r#type, point),
            _ => Ok(true),
        }
    }
}

impl ContextCondition {
    fn matches(&self, context: &RequestContext) -> bool {
        let mut values = self.source.values(context).into_iter();
        match &self.value {
            None => values.next().is_some(),
            Some(wanted) => values.any(|value| wanted.matches(value.as_value())),
        }
    }
}

impl ScopeConditions {
    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.versions.is_empty() && self.libraries.is_empty()
    }

    fn matches(&self, mut container: Reader<'_>) -> Result<bool, Malformed> {
        if self.is_empty() {
            return Ok(true);
        }
        let mut name = &b""[..];
        let mut version = &b""[..];
        let mut seen = self.own.attributes.none_seen();
        while let Some(scope) = container.next_of(MessageType::SCOPE)? {
            let mut scope = scope.message()?;
            while let Some(field) = scope.next_field()? {
                match (field.number, MessageType::Scope.field(field.number)) {
                    (_, Some(FieldType::Name)) => name = field.bytes()?,
                    (MessageType::SCOPE_VERSION, _) => version = field.bytes()?,
                    (_, Some(FieldType::Message(MessageType::KeyValue))) => {
                        seen.see(&field)?;
                    }
                    _ => {}
                }
            }
        }
        let one_of = |patterns: &[Pattern], text| {
            patterns.is_empty() || Pattern::any_matches(patterns, text)
        };
        let is_library = |library: &Library| {
            let right = |wanted: &Pattern| wanted.matches(version);
            library.name.matches(name) && library.version.as_ref().is_none_or(right)
        };
        Ok(seen.is_enough()
            && one_of(&self.own.names, name)
            && one_of(&self.versions, version)
            && (self.libraries.is_empty() || self.libraries.iter().any(is_library)))
    }
}
