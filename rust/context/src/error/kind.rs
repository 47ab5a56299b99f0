// SPDX-License-Identifier: Apache-2.0

//! Classes of errors and their default codes.

use std::fmt;

#[cfg(doc)]
use super::ProcessingError;

/// Class of a [`ProcessingError`]. The numbers are those of `OTAPB_ERROR_KIND_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

    /// The name as configurations and logs write it, such as `resource_exhausted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Retryable => "retryable",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Configuration => "configuration",
        }
    }

    /// The gRPC code (`google.rpc.Code`) when the author gave none.
    #[must_use]
    pub(crate) const fn default_grpc_code(self) -> i32 {
        match self {
            Self::Permanent => 13,
            Self::Retryable => 14,
            Self::Cancelled => 1,
            Self::Timeout => 4,
            Self::ResourceExhausted => 8,
            Self::Configuration => 3,
        }
    }

    /// The HTTP status when the author gave none.
    #[must_use]
    pub(crate) const fn default_http_status(self) -> u16 {
        match self {
            Self::Permanent => 500,
            Self::Retryable => 503,
            Self::Cancelled => 499,
            Self::Timeout => 504,
            Self::ResourceExhausted => 429,
            Self::Configuration => 400,
        }
    }

    pub(crate) const fn default_message(self) -> &'static str {
        match self {
            Self::Permanent => "permanent error",
            Self::Retryable => "retryable error",
            Self::Cancelled => "request cancelled",
            Self::Timeout => "deadline exceeded",
            Self::ResourceExhausted => "resource exhausted",
            Self::Configuration => "invalid configuration",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
