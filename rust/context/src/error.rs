// SPDX-License-Identifier: Apache-2.0

//! The structured error that crosses between the runtimes.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

mod kind;
#[cfg(feature = "tonic")]
mod tonic_status;

pub use kind::ErrorKind;

/// What a node reports when it cannot process a message.
///
/// The variant decides whether the sender retries. Codes are gRPC codes
/// (`google.rpc.Code`) and HTTP statuses; what the author does not give
/// is the kind's default.
#[derive(Clone, Debug)]
pub enum ProcessingError {
    /// The data can never be accepted. gRPC Internal, HTTP 500.
    Permanent {
        /// What happened.
        message: String,
        /// gRPC code given by the author.
        grpc_code: Option<i32>,
        /// HTTP status given by the author.
        http_status: Option<u16>,
        /// Rarely used data, see [`ErrorDetails`].
        details: ErrorDetails,
    },
    /// The same data may be accepted later. gRPC Unavailable, HTTP 503.
    Retryable {
        /// What happened.
        message: String,
        /// gRPC code given by the author.
        grpc_code: Option<i32>,
        /// HTTP status given by the author.
        http_status: Option<u16>,
        /// How long to wait before a retry.
        retry_after: Option<Duration>,
        /// Rarely used data, see [`ErrorDetails`].
        details: ErrorDetails,
    },
    /// The caller gave up. Permanent. gRPC Canceled, HTTP 499.
    Cancelled {
        /// Why.
        reason: String,
        /// Rarely used data, see [`ErrorDetails`].
        details: ErrorDetails,
    },
    /// A deadline passed. Retryable. gRPC DeadlineExceeded, HTTP 504.
    Timeout {
        /// The deadline in nanoseconds since 1970, if it is known as wall clock.
        deadline: Option<i64>,
        /// What happened.
        message: String,
        /// Rarely used data, see [`ErrorDetails`].
        details: ErrorDetails,
    },
    /// A limit was reached. Retryable. gRPC ResourceExhausted, HTTP 429.
    ResourceExhausted {
        /// Which limit.
        message: String,
        /// How long to wait before a retry.
        retry_after: Option<Duration>,
        /// Rarely used data, see [`ErrorDetails`].
        details: ErrorDetails,
    },
    /// A setting or an argument is wrong. Permanent. gRPC InvalidArgument, HTTP 400.
    Configuration {
        /// What is wrong with it.
        message: String,
        /// The setting's path or the argument's name.
        field: Option<String>,
        /// Rarely used data, see [`ErrorDetails`].
        details: ErrorDetails,
    },
}

/// Data that few errors have: gRPC status details, the host's own error, a
/// source, and what the author gave although the variant has no field for it.
/// Written by the `with_` methods of [`ProcessingError`]; empty by default.
#[derive(Clone, Debug, Default)]
pub struct ErrorDetails(Option<Box<Details>>);

#[derive(Clone, Debug, Default)]
struct Details {
    grpc_code: Option<i32>,
    http_status: Option<u16>,
    retry_after: Option<Duration>,
    field: Option<String>,
    status_details: Vec<u8>,
    host_error: Option<Arc<HostError>>,
    of_a_part: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Hears which of the host's errors nobody can ask for any more.
pub type HostErrorReleased = Arc<dyn Fn(u64) + Send + Sync>;

/// The host's own error behind one of ours and its copies.
struct HostError {
    id: u64,
    released: Option<HostErrorReleased>,
}

impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl Drop for HostError {
    fn drop(&mut self) {
        if let Some(released) = &self.released {
            released(self.id);
        }
    }
}

impl ErrorDetails {
    fn get(&self) -> Option<&Details> {
        self.0.as_deref()
    }

    fn get_mut(&mut self) -> &mut Details {
        self.0.get_or_insert_default()
    }
}

/// Codes from 1 (Canceled) to 16 (Unauthenticated) are errors; anything else is Unknown.
fn valid_grpc_code(code: i32) -> i32 {
    if (1..=16).contains(&code) { code } else { 2 }
}

fn valid_http_status(status: u16) -> u16 {
    if (400..=599).contains(&status) {
        status
    } else {
        500
    }
}

impl ProcessingError {
    /// An error of this kind without codes.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        match kind {
            ErrorKind::Permanent => Self::permanent(message),
            ErrorKind::Retryable => Self::retryable(message),
            ErrorKind::Cancelled => Self::cancelled(message),
            ErrorKind::Timeout => Self::timeout(message, None),
            ErrorKind::ResourceExhausted => Self::resource_exhausted(message, None),
            ErrorKind::Configuration => Self::configuration(message, None),
        }
    }

    /// See [`Self::Permanent`].
    #[must_use]
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent {
            message: message.into(),
            grpc_code: None,
            http_status: None,
            details: ErrorDetails::default(),
        }
    }

    /// See [`Self::Retryable`].
    #[must_use]
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable {
            message: message.into(),
            grpc_code: None,
            http_status: None,
            retry_after: None,
            details: ErrorDetails::default(),
        }
    }

    /// The data is malformed: permanent with gRPC InvalidArgument, HTTP 400.
    #[must_use]
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::permanent(message)
            .with_grpc_code(3)
            .with_http_status(400)
    }

    /// See [`Self::ResourceExhausted`].
    #[must_use]
    pub fn resource_exhausted(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self::ResourceExhausted {
            message: message.into(),
            retry_after,
            details: ErrorDetails::default(),
        }
    }

    /// See [`Self::Cancelled`].
    #[must_use]
    pub fn cancelled(reason: impl Into<String>) -> Self {
        Self::Cancelled {
            reason: reason.into(),
            details: ErrorDetails::default(),
        }
    }

    /// See [`Self::Timeout`]. `deadline` is in nanoseconds since 1970.
    #[must_use]
    pub fn timeout(message: impl Into<String>, deadline: Option<i64>) -> Self {
        Self::Timeout {
            deadline,
            message: message.into(),
            details: ErrorDetails::default(),
        }
    }

    /// See [`Self::Configuration`]. `field` is a path such as `actions[1].key`.
    #[must_use]
    pub fn configuration(message: impl Into<String>, field: Option<String>) -> Self {
        Self::Configuration {
            message: message.into(),
            field,
            details: ErrorDetails::default(),
        }
    }

    /// Sets the gRPC code. Outside 1 to 16 it becomes 2 (Unknown).
    #[must_use]
    pub fn with_grpc_code(mut self, code: i32) -> Self {
        let code = Some(valid_grpc_code(code));
        match &mut self {
            Self::Permanent { grpc_code, .. } | Self::Retryable { grpc_code, .. } => {
                *grpc_code = code;
            }
            other => other.details_mut().grpc_code = code,
        }
        self
    }

    /// Sets the HTTP status. Outside 400 to 599 it becomes 500.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        let status = Some(valid_http_status(status));
        match &mut self {
            Self::Permanent { http_status, .. } | Self::Retryable { http_status, .. } => {
                *http_status = status;
            }
            other => other.details_mut().http_status = status,
        }
        self
    }

    /// Sets how long to wait before a retry.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        match &mut self {
            Self::Retryable { retry_after, .. } | Self::ResourceExhausted { retry_after, .. } => {
                *retry_after = Some(delay);
            }
            other => other.details_mut().retry_after = Some(delay),
        }
        self
    }

    /// Sets the setting's path or the argument's name that is at fault.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>) -> Self {
        let name = Some(name.into());
        match &mut self {
            Self::Configuration { field, .. } => *field = name,
            other => other.details_mut().field = name,
        }
        self
    }

    /// Sets a serialised `google.rpc.Status` whose details belong to this error.
    #[must_use]
    pub fn with_status_details(mut self, status: impl Into<Vec<u8>>) -> Self {
        self.details_mut().status_details = status.into();
        self
    }

    /// Sets the id by which the host finds its own error value again; 0 is none.
    #[must_use]
    pub fn with_host_error_id(mut self, id: u64) -> Self {
        self.details_mut().host_error =
            (id != 0).then(|| Arc::new(HostError { id, released: None }));
        self
    }

    /// Says that it was a part of the message that was refused, and the rest was not sent: what
    /// the host's own error knows of its data is not all of the message's.
    #[must_use]
    pub fn of_a_part(mut self) -> Self {
        self.details_mut().of_a_part = true;
        self
    }

    /// Whether it is [of a part](Self::of_a_part).
    #[must_use]
    pub fn is_of_a_part(&self) -> bool {
        self.details().is_some_and(|details| details.of_a_part)
    }

    /// Has `released` hear of the host's error when this error and all its copies from now
    /// on are gone. For hosts.
    #[must_use]
    pub fn reporting_release(mut self, released: &HostErrorReleased) -> Self {
        let id = self.host_error_id();
        if id != 0 {
            self.details_mut().host_error = Some(Arc::new(HostError {
                id,
                released: Some(Arc::clone(released)),
            }));
        }
        self
    }

    /// Sets the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.details_mut().source = Some(Arc::from(source.into()));
        self
    }

    /// The same error for a sender that must not retry: text, codes and details
    /// stay, a delay does not.
    #[must_use]
    pub fn into_permanent(self) -> Self {
        let (grpc_code, http_status) = (self.grpc_code(), self.http_status());
        match self {
            Self::Retryable {
                message,
                mut details,
                ..
            }
            | Self::Timeout {
                message,
                mut details,
                ..
            }
            | Self::ResourceExhausted {
                message,
                mut details,
                ..
            } => {
                if details.get().is_some() {
                    let details = details.get_mut();
                    (details.grpc_code, details.http_status, details.retry_after) =
                        (None, None, None);
                }
                Self::Permanent {
                    message,
                    grpc_code: Some(grpc_code),
                    http_status: Some(http_status),
                    details,
                }
            }
            permanent => permanent,
        }
    }

    /// The variant as a number.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Permanent { .. } => ErrorKind::Permanent,
            Self::Retryable { .. } => ErrorKind::Retryable,
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::ResourceExhausted { .. } => ErrorKind::ResourceExhausted,
            Self::Configuration { .. } => ErrorKind::Configuration,
        }
    }

    /// Whether a retry of the same data is pointless.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Permanent { .. } | Self::Cancelled { .. } | Self::Configuration { .. }
        )
    }

    /// The author's gRPC code or the kind's default; always 1 to 16.
    #[must_use]
    pub fn grpc_code(&self) -> i32 {
        self.author_grpc_code()
            .unwrap_or(self.kind().default_grpc_code())
    }

    /// The gRPC code, if the author gave one; 2 (Unknown) if it is out of range.
    #[must_use]
    pub fn author_grpc_code(&self) -> Option<i32> {
        match self {
            Self::Permanent { grpc_code, .. } | Self::Retryable { grpc_code, .. } => *grpc_code,
            other => other.details().and_then(|d| d.grpc_code),
        }
        .map(valid_grpc_code)
    }

    /// The author's HTTP status or the kind's default; always 400 to 599.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.author_http_status()
            .unwrap_or(self.kind().default_http_status())
    }

    /// The HTTP status, if the author gave one; 500 if it is out of range.
    #[must_use]
    pub fn author_http_status(&self) -> Option<u16> {
        match self {
            Self::Permanent { http_status, .. } | Self::Retryable { http_status, .. } => {
                *http_status
            }
            other => other.details().and_then(|d| d.http_status),
        }
        .map(valid_http_status)
    }

    /// How long to wait before a retry, if the author said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retryable { retry_after, .. } | Self::ResourceExhausted { retry_after, .. } => {
                *retry_after
            }
            other => other.details().and_then(|d| d.retry_after),
        }
    }

    /// What happened, without the field. Never empty.
    #[must_use]
    pub fn message(&self) -> &str {
        let message = match self {
            Self::Permanent { message, .. }
            | Self::Retryable { message, .. }
            | Self::Timeout { message, .. }
            | Self::ResourceExhausted { message, .. }
            | Self::Configuration { message, .. } => message,
            Self::Cancelled { reason, .. } => reason,
        };
        if message.is_empty() {
            self.kind().default_message()
        } else {
            message
        }
    }

    /// The setting's path or the argument's name that is at fault.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Configuration { field, .. } => field.as_deref(),
            other => other.details().and_then(|d| d.field.as_deref()),
        }
    }

    /// A serialised `google.rpc.Status`, or empty.
    #[must_use]
    pub fn status_details(&self) -> &[u8] {
        self.details().map_or(&[], |d| &d.status_details)
    }

    /// The id by which the host finds its own error value again, or 0.
    #[must_use]
    pub fn host_error_id(&self) -> u64 {
        let host_error = self.details().and_then(|d| d.host_error.as_ref());
        host_error.map_or(0, |error| error.id)
    }

    fn details(&self) -> Option<&Details> {
        match self {
            Self::Permanent { details, .. }
            | Self::Retryable { details, .. }
            | Self::Cancelled { details, .. }
            | Self::Timeout { details, .. }
            | Self::ResourceExhausted { details, .. }
            | Self::Configuration { details, .. } => details.get(),
        }
    }

    fn details_mut(&mut self) -> &mut Details {
        match self {
            Self::Permanent { details, .. }
            | Self::Retryable { details, .. }
            | Self::Cancelled { details, .. }
            | Self::Timeout { details, .. }
            | Self::ResourceExhausted { details, .. }
            | Self::Configuration { details, .. } => details.get_mut(),
        }
    }
}

impl fmt::Display for ProcessingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration {
                field: Some(field), ..
            } if !field.is_empty() => write!(f, "{field}: {}", self.message()),
            _ => f.write_str(self.message()),
        }
    }
}

impl Error for ProcessingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.details()?.source.as_ref()?;
        Some(source.as_ref())
    }
}

impl From<io::Error> for ProcessingError {
    /// What would fail again in the same way is permanent, also a file that is missing or
    /// forbidden; everything else about the world around is retryable.
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::TimedOut => ErrorKind::Timeout,
            Io::OutOfMemory | Io::StorageFull | Io::QuotaExceeded => ErrorKind::ResourceExhausted,
            Io::InvalidInput
            | Io::InvalidData
            | Io::Unsupported
            | Io::PermissionDenied
            | Io::NotFound => ErrorKind::Permanent,
            _ => ErrorKind::Retryable,
        };
        let message = error.to_string();
        Self::new(kind, message).with_source(error)
    }
}

#[cfg(test)]
mod tests;
