// SPDX-License-Identifier: Apache-2.0

//! Classes of errors and their default codes.

use std::fmt;

#[cfg(doc)]
use super::ProcessingError;

/// Class of a [`ProcessingError`]. The numbers are those of `OTAPB_ERROR_KIND_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[repr(i32)]
pub enum ErrorKind {
    /// See [`ProcessingError::Permanent`].
    Permanent = 1,
    /// See [`ProcessingError::Retryable`].
    Retryable = 2,
    /// See [`ProcessingError::Cancelled`].
    Cancelled = 3,
    /// See [`ProcessingError::Timeout`].
    Timeout = 4,
    /// See [`ProcessingError::ResourceExhausted`].
    ResourceExhausted = 5,
    /// See [`ProcessingError::Configuration`].
    Configuration = 6,
}

impl ErrorKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_i32(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Permanent),
            2 => Some(Self::Retryable),
            3 => Some(Self::Cancelled),
            4 => Some(Self::Timeout),
            5 => Some(Self::ResourceExhausted),
            6 => Some(Self::Configuration),
            _ => None,
        }
    }

    /// Its name; and the message, gRPC code and HTTP status of errors that have none of their own.
    const fn texts_and_codes(self) -> (&'static str, &'static str, i32, u16) {
        match self {
            Self::Permanent => ("permanent", "permanent error", 13, 500),
            Self::Retryable => ("retryable", "retryable error", 14, 503),
            Self::Cancelled => ("cancelled", "request cancelled", 1, 499),
            Self::Timeout => ("timeout", "deadline exceeded", 4, 504),
            Self::ResourceExhausted => ("resource_exhausted", "resource exhausted", 8, 429),
            Self::Configuration => ("configuration", "invalid configuration", 3, 400),
        }
    }

    /// The name as configurations and logs write it, such as `resource_exhausted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.texts_and_codes().0
    }

    pub(crate) const fn default_message(self) -> &'static str {
        self.texts_and_codes().1
    }

    /// The gRPC code (`google.rpc.Code`) when the author gave none.
    pub(crate) const fn default_grpc_code(self) -> i32 {
        self.texts_and_codes().2
    }

    /// The HTTP status when the author gave none.
    pub(crate) const fn default_http_status(self) -> u16 {
        self.texts_and_codes().3
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
