//! How a command ended, as the error stream tells it. Pure.
//!
//! From protocol version 4 on the stream carries a Kubernetes `Status` as JSON; before, it carried words, and nothing at all
//! for success.

use bytes::Bytes;
use serde_json::{Value, json};

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With exit code 0.
    Success,
    /// With another exit code.
    Exit {
        /// The code.
        code: i32,
        /// What the runtime said about it.
        message: String,
    },
    /// It did not run, or the connection to it failed.
    Failure {
        /// Why.
        message: String,
        /// The whole `Status`, where there is one.
        status: Option<Bytes>,
    },
}

impl Outcome {
    /// A command that ended with `code`.
    pub fn exit(code: i32) -> Self {
        match code {
            0 => Self::Success,
            code => {
                Self::Exit { code, message: format!("command terminated with non-zero exit code: exit status {code}") }
            }
        }
    }

    /// A failure in words.
    pub fn failure(message: impl Into<String>) -> Self {
        Self::Failure { message: message.into(), status: None }
    }

    /// As a `Status`, for version 4 and later.
    pub fn to_status(&self) -> Bytes {
        let status = match self {
            Self::Success => json!({ "metadata": {}, "status": "Success" }),
            Self::Exit { code, message } => json!({
                "metadata": {},
                "status": "Failure",
                "message": message,
                "reason": "NonZeroExitCode",
                "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
            }),
            Self::Failure { status: Some(status), .. } => return status.clone(),
            Self::Failure { message, status: None } => json!({
                "metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500,
            }),
        };
        status.to_string().into()
    }

    /// As words, for versions before 4.
    pub fn to_words(&self) -> Bytes {
        match self {
            Self::Success => Bytes::new(),
            Self::Exit { message, .. } | Self::Failure { message, .. } => message.clone().into(),
        }
    }

    /// From what came on an error stream of version 4 or later.
    pub fn parse(bytes: &[u8]) -> Self {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Success;
        }
        let Ok(status) = serde_json::from_slice::<Value>(bytes) else {
            return Self::failure(String::from_utf8_lossy(bytes));
        };
        if status["status"] == "Success" {
            return Self::Success;
        }
        let message = status["message"].as_str().unwrap_or("the command failed").to_owned();
        let causes = status["details"]["causes"].as_array().into_iter().flatten();
        let code = causes
            .filter(|c| c["reason"] == "ExitCode")
            .find_map(|c| c["message"].as_str()?.parse().ok())
            .filter(|_| status["reason"] == "NonZeroExitCode");
        match code {
            Some(code) => Self::Exit { code, message },
            None => Self::Failure { message, status: Some(Bytes::copy_from_slice(bytes)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn statuses_round_trip() {
        let failure = Outcome::parse(&Outcome::failure("no such container").to_status());
        for outcome in [Outcome::Success, Outcome::exit(3), Outcome::exit(-1), failure] {
            assert_eq!(Outcome::parse(&outcome.to_status()), outcome);
        }
        assert_eq!(Outcome::parse(b""), Outcome::Success);
        assert_eq!(Outcome::parse(b"oops"), Outcome::failure("oops"));
        assert!(Outcome::Success.to_words().is_empty());
    }

    #[test]
    fn an_exit_code_is_a_cause() {
        expect![[r#"{"details":{"causes":[{"message":"3","reason":"ExitCode"}]},"message":"command terminated with non-zero exit code: exit status 3","metadata":{},"reason":"NonZeroExitCode","status":"Failure"}"#]]
            .assert_eq(&String::from_utf8_lossy(&Outcome::exit(3).to_status()));
    }
}
