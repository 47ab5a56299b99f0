// SPDX-License-Identifier: Apache-2.0

//! Which data an `include` and an `exclude` select, level by level from the request inwards.

use otapbridge::{ProcessingError, RequestContext};
use otapbridge_otlp::MessageType;
use otapbridge_otlp::wire::{Malformed, Reader};

use super::Conditions;

/// An `include` and an `exclude`: what the first matches, if it is there, and the second does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) include: Option<Conditions>,
    pub(crate) exclude: Option<Conditions>,
}

impl Selection {
    /// Without conditions: everything is selected.
    pub(crate) const EVERYTHING: Self = Self {
        include: None,
        exclude: None,
    };

    /// Whether one of the two asks for something.
    pub(crate) fn asks(&self, for_something: impl Fn(&Conditions) -> bool) -> bool {
        let both = [&self.include, &self.exclude];
        both.into_iter().flatten().any(for_something)
    }

    /// Whether everything is selected.
    pub(crate) const fn is_everything(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }
}

/// How far the conditions hold for what is being visited: the request, a resource in it, a scope in that, and so on inwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Whether `include` holds, as far as it was asked.
    pub(crate) included: bool,
    /// Whether `exclude` holds, as far as it was asked.
    pub(crate) excluded: bool,
}

/// Why something is not selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unselected {
    NotIncluded,
    Excluded,
}

impl Held {
    /// Asks both whether they hold further inwards.
    #[inline]
    pub(crate) fn and(
        self,
        selection: &Selection,
        mut holds: impl FnMut(&Conditions) -> Result<bool, Malformed>,
    ) -> Result<Self, ProcessingError> {
        let included = match &selection.include {
            Some(include) => self.included && holds(include)?,
            None => true,
        };
        let excluded = match &selection.exclude {
            // What is not included leaves anyway.
            Some(exclude) => included && self.excluded && holds(exclude)?,
            None => false,
        };
        Ok(Self { included, excluded })
    }

    /// `None` if it is selected.
    pub(crate) const fn unselected(self) -> Option<Unselected> {
        match self {
            Self {
                included: false, ..
            } => Some(Unselected::NotIncluded),
            Self { excluded: true, .. } => Some(Unselected::Excluded),
            _ => None,
        }
    }
}

/// How far the conditions hold for what is being visited.
pub(crate) struct Levels<'a> {
    pub(crate) selection: &'a Selection,
    request: Held,
    pub(crate) resource: Held,
    pub(crate) scope: Held,
    /// Of a metric of which each data point is asked by itself.
    metric: Held,
}

/// What is said of a metric.
pub(crate) enum OfMetric {
    /// It and all its data points are selected, or are not.
    Whole(Option<Unselected>),
    /// Each data point is asked by itself; if `include` is what asks, one without any is not selected.
    Points { by_include: bool },
}

impl<'a> Levels<'a> {
    pub(crate) fn new(selection: &'a Selection, context: &RequestContext) -> Self {
        let holds = |conditions: &Option<Conditions>| {
            (conditions.as_ref()).is_some_and(|conditions| conditions.context_matches(context))
        };
        let request = Held {
            included: selection.include.is_none() || holds(&selection.include),
            excluded: holds(&selection.exclude),
        };
        Self {
            selection,
            request,
            resource: request,
            scope: request,
            metric: request,
        }
    }

    /// For a `ResourceSpans` or its like.
    pub(crate) fn enter_resource(&mut self, data: &Reader<'_>) -> Result<(), ProcessingError> {
        let holds = |conditions: &Conditions| conditions.resource_matches(data.clone());
        self.resource = self.request.and(self.selection, holds)?;
        self.scope = self.resource;
        Ok(())
    }

    /// For a `ScopeSpans` or its like.
    pub(crate) fn enter_scope(&mut self, data: &Reader<'_>) -> Result<(), ProcessingError> {
        let holds = |conditions: &Conditions| conditions.scope_matches(data.clone());
        self.scope = self.resource.and(self.selection, holds)?;
        Ok(())
    }

    /// Whether what is in a resource or scope is all selected, all not, or to be asked by itself, if these conditions
    /// are asked further inwards.
    pub(crate) fn all_in(
        &self,
        held: Held,
        is_asked: impl Fn(&Conditions) -> bool,
    ) -> Option<bool> {
        let is_asked = |conditions: &Option<Conditions>| conditions.as_ref().is_some_and(&is_asked);
        let Selection { include, exclude } = self.selection;
        if !held.included || (held.excluded && !is_asked(exclude)) {
            Some(false)
        } else if !held.excluded && !is_asked(include) {
            Some(true)
        } else {
            None
        }
    }

    /// For a span, a log record, an event or a link. Says why it is not selected.
    #[inline]
    pub(crate) fn item(
        &self,
        r#type: MessageType,
        item: &Reader<'_>,
    ) -> Result<Option<Unselected>, ProcessingError> {
        let holds = |conditions: &Conditions| conditions.item_matches(r#type, item.clone());
        Ok(self.scope.and(self.selection, holds)?.unselected())
    }

    /// For a metric.
    pub(crate) fn metric(&mut self, metric: &Reader<'_>) -> Result<OfMetric, ProcessingError> {
        let holds =
            |conditions: &Conditions| conditions.item_matches(MessageType::Metric, metric.clone());
        let held = self.scope.and(self.selection, holds)?;
        self.metric = held;
        let asks_points = |conditions: &Option<Conditions>| {
            conditions.as_ref().is_some_and(Conditions::asks_points)
        };
        let by_include = held.included && asks_points(&self.selection.include);
        let by_exclude = held.excluded && asks_points(&self.selection.exclude);
        Ok(if by_include || by_exclude {
            OfMetric::Points { by_include }
        } else {
            OfMetric::Whole(held.unselected())
        })
    }

    /// For a data point of the last metric. Says why it is not selected.
    pub(crate) fn point(
        &self,
        r#type: MessageType,
        point: &Reader<'_>,
    ) -> Result<Option<Unselected>, ProcessingError> {
        let holds = |conditions: &Conditions| conditions.point_matches(r#type, point.clone());
        Ok(self.metric.and(self.selection, holds)?.unselected())
    }
}
