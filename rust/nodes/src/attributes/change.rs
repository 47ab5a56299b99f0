// SPDX-License-Identifier: Apache-2.0

//! Goes through a request and does the actions where they are to be done.

use otapbridge::ProcessingError;
use otapbridge_otlp::wire::Reader;
use otapbridge_otlp::{Attributes, Interest, KeyLengths, MessageType, Messages, Visit, Visitor};

use super::action::Actions;
use crate::conditions::{Conditions, Levels, OfMetric};

/// The actions, where they are done.
pub(super) struct Change<'a> {
    actions: Actions<'a>,
    apply_to: Messages,
    keys: KeyLengths,
    levels: Levels<'a>,
    /// Whether the attributes of the last metric itself are meant.
    metric_is_selected: bool,
}

impl<'a> Change<'a> {
    /// `keys` are those of the attributes that matter to the actions.
    pub(super) const fn new(
        actions: Actions<'a>,
        apply_to: Messages,
        keys: KeyLengths,
        levels: Levels<'a>,
    ) -> Self {
        Self {
            actions,
            apply_to,
            keys,
            levels,
            metric_is_selected: true,
        }
    }

    /// What a walk does with what is all selected, all not, or asked further inwards.
    const fn visit(selected: Option<bool>) -> Visit {
        match selected {
            Some(false) => Visit::Keep,
            Some(true) | None => Visit::Inside,
        }
    }
}

impl Visitor for Change<'_> {
    fn interest(&self) -> Interest {
        let selection = self.levels.selection;
        let mut messages = Messages::NONE;
        if !selection.is_everything() {
            messages = Messages::RESOURCE | Messages::SCOPE;
        }
        if selection.asks(Conditions::goes_below_scope) {
            messages = messages | Messages::SPAN | Messages::LOG_RECORD | Messages::METRIC;
        }
        if selection.asks(Conditions::asks_points) {
            messages = messages | Messages::DATA_POINT;
        }
        Interest {
            messages,
            attributes: self.apply_to,
            keys: self.keys,
        }
    }

    fn resource(&mut self, data: Reader<'_>) -> Result<Visit, ProcessingError> {
        self.levels.enter_resource(&data)?;
        let levels = &self.levels;
        Ok(Self::visit(
            levels.all_in(levels.resource, Conditions::goes_below_resource),
        ))
    }

    fn scope(&mut self, data: Reader<'_>) -> Result<Visit, ProcessingError> {
        self.levels.enter_scope(&data)?;
        let levels = &self.levels;
        Ok(Self::visit(
            levels.all_in(levels.scope, Conditions::goes_below_scope),
        ))
    }

    fn item(&mut self, r#type: MessageType, item: Reader<'_>) -> Result<Visit, ProcessingError> {
        let unselected = match r#type {
            MessageType::Metric => match self.levels.metric(&item)? {
                OfMetric::Whole(unselected) => {
                    self.metric_is_selected = true;
                    unselected
                }
                OfMetric::Points { by_include } => {
                    // `include` asks something of data points, and the metric itself is none.
                    self.metric_is_selected = !by_include;
                    None
                }
            },
            _ => self.levels.item(r#type, &item)?,
        };
        Ok(Self::visit(Some(unselected.is_none())))
    }

    fn part(&mut self, r#type: MessageType, part: Reader<'_>) -> Result<Visit, ProcessingError> {
        let unselected = self.levels.point(r#type, &part)?;
        Ok(Self::visit(Some(unselected.is_none())))
    }

    fn attributes(
        &mut self,
        of: MessageType,
        attributes: &mut Attributes<'_, '_>,
    ) -> Result<(), ProcessingError> {
        if of == MessageType::Metric && !self.metric_is_selected {
            return Ok(());
        }
        self.actions.apply(attributes)
    }
}
