// SPDX-License-Identifier: Apache-2.0

//! The three kinds of telemetry.

use std::fmt;

/// What a payload is. The numbers are those of `OTAPB_SIGNAL_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[repr(u32)]
pub enum Signal {
    /// An OTLP `ExportTraceServiceRequest`.
    Traces = 1,
    /// An OTLP `ExportMetricsServiceRequest`.
    Metrics = 2,
    /// An OTLP `ExportLogsServiceRequest`.
    Logs = 3,
}

impl Signal {
    /// All signals, in the order of their numbers.
    pub const ALL: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

    /// The signal with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Traces),
            2 => Some(Self::Metrics),
            3 => Some(Self::Logs),
            _ => None,
        }
    }

    /// The name as collector configurations write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for signal in Signal::ALL {
            assert_eq!(Signal::from_u32(signal as u32), Some(signal));
        }
        assert_eq!(Signal::from_u32(0), None);
        assert_eq!(Signal::from_u32(4), None);
    }

    #[test]
    fn names_are_those_of_the_collector() {
        assert_eq!(
            Signal::ALL.map(Signal::as_str),
            ["traces", "metrics", "logs"]
        );
    }
}
