//! What can go wrong with a call to the runtime.

use tonic::Code;

/// A failed call to the container runtime.
#[derive(Clone, Debug, thiserror::Error)]
#[error("runtime call {call}: {message}")]
pub struct CriError {
    /// The CRI method.
    pub call: &'static str,
    /// What kind of failure.
    pub code: Code,
    /// The runtime's own words.
    pub message: String,
}

impl CriError {
    /// An error of `call`.
    pub fn new(call: &'static str, code: Code, message: impl Into<String>) -> Self {
        Self { call, code, message: message.into() }
    }

    /// Whether the object of the call does not exist (any more).
    pub fn is_not_found(&self) -> bool {
        self.code == Code::NotFound
    }

    /// Whether the same call may succeed later without anything else changing: the runtime is away, busy or late.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self.code,
            Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::ResourceExhausted | Code::Cancelled
        )
    }

    /// Whether the runtime did not answer within the deadline of the call; whether it acted is unknown.
    pub fn is_timeout(&self) -> bool {
        self.code == Code::DeadlineExceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retriability_is_data() {
        for (code, retriable) in [
            (Code::Unavailable, true),
            (Code::DeadlineExceeded, true),
            (Code::NotFound, false),
            (Code::InvalidArgument, false),
            (Code::Unknown, false),
        ] {
            assert_eq!(CriError::new("Status", code, "").is_retriable(), retriable, "{code:?}");
        }
        assert!(CriError::new("ContainerStatus", Code::NotFound, "").is_not_found());
    }
}
