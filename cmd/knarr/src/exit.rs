//! How the process ends: one final line that says what is wrong and how to mend it, and a documented exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | stopped as asked |
//! | 1 | failed while running |
//! | 2 | wrong arguments or configuration |
//! | 3 | the host lacks something (root, a program, a kernel feature) |
//! | 4 | an address or port is in use |
//! | 5 | the cluster did not let this machine join |

use std::{fmt, process::ExitCode};

/// The reason the process cannot go on.
#[derive(Debug)]
pub(crate) struct Fatal {
    code: u8,
    what: String,
    mend: String,
}

impl Fatal {
    fn new(code: u8, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, what: what.into(), mend: mend.into() }
    }

    /// Wrong arguments or configuration.
    pub(crate) fn usage(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(2, what, mend)
    }

    /// The host lacks something.
    pub(crate) fn host(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(3, what, mend)
    }

    /// The cluster refused.
    pub(crate) fn refused(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(5, what, mend)
    }

    /// An address is taken.
    pub(crate) fn in_use(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(4, what, mend)
    }
}

/// Failures without a known remedy: the chain of causes is what there is to say.
impl From<anyhow::Error> for Fatal {
    fn from(e: anyhow::Error) -> Self {
        Self::new(1, format!("{e:#}"), "see the log above")
    }
}

impl From<knarr_kubelet::ConfigError> for Fatal {
    fn from(e: knarr_kubelet::ConfigError) -> Self {
        Self::usage(e.to_string(), "correct the flags of the node")
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "knarr: {} — {}", self.what, self.mend)
    }
}

/// Prints the final line and makes the exit code: the only place that does.
pub(crate) fn report(result: Result<(), Fatal>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            eprintln!("{fatal}");
            ExitCode::from(fatal.code)
        }
    }
}
