//! Join tokens in k3s's form: `K10<sha256 of the server CA file>::server:<secret>`.
//!
//! The hash lets a joining node check the server before it says its secret. The short form is the secret alone.

use std::{fmt, str::FromStr};

use ring::rand::SecureRandom as _;
use sha2::{Digest as _, Sha256};

use crate::PkiError;

/// A token as an administrator passes it.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the CA file in lower-case hex; `None` in the short form (nothing is checked).
    pub ca_hash: Option<String>,
    /// User before the secret (`server`, `node`); empty for bootstrap tokens (`id.secret`).
    pub user: String,
    /// The secret.
    pub secret: String,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.user) // the secret stays out of logs
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hash) = &self.ca_hash {
            write!(f, "K10{hash}::")?;
            if !self.user.is_empty() {
                write!(f, "{}:", self.user)?;
            }
        }
        f.write_str(&self.secret)
    }
}

impl FromStr for JoinToken {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        let fail = |why: &str| PkiError::Read { what: "token".to_owned(), why: why.to_owned() };
        let text = text.trim();
        if text.is_empty() {
            return Err(fail("it is empty"));
        }
        let Some(long) = text.strip_prefix("K10") else {
            return Ok(Self { ca_hash: None, user: String::new(), secret: text.to_owned() });
        };
        let (hash, rest) = long.split_once("::").ok_or_else(|| fail("after K10<hash> there is no '::'"))?;
        if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(fail("the CA hash is not 64 hexadecimal digits"));
        }
        let (user, secret) = rest.split_once(':').unwrap_or(("", rest));
        if secret.is_empty() {
            return Err(fail("there is no secret after '::'"));
        }
        Ok(Self { ca_hash: Some(hash.to_ascii_lowercase()), user: user.to_owned(), secret: secret.to_owned() })
    }
}

/// The hash of a CA file as tokens carry it.
pub fn ca_hash(ca_pem: &str) -> String {
    Sha256::digest(ca_pem.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// A random secret of 128 bits in hex.
///
/// # Errors
/// The system's random source failed.
pub fn random_secret() -> Result<String, PkiError> {
    let mut bytes = [0u8; 16];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| PkiError::Read { what: "random source".to_owned(), why: "the system has none".to_owned() })?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let hash = ca_hash("ca");
        let long = format!("K10{hash}::server:s3cret");
        let table = [
            (long.as_str(), Some((Some(hash.as_str()), "server", "s3cret"))),
            ("s3cret", Some((None, "", "s3cret"))),
            ("abcdef.0123456789abcdef", Some((None, "", "abcdef.0123456789abcdef"))),
            ("", None),
            ("K10abc::server:x", None),
            ("K10", None),
        ];
        for (text, want) in table {
            let got = text.parse::<JoinToken>().ok();
            let got = got.as_ref().map(|t| (t.ca_hash.as_deref(), t.user.as_str(), t.secret.as_str()));
            assert_eq!(got, want, "{text}");
        }
        assert_eq!(long.parse::<JoinToken>().unwrap().to_string(), long);
        assert_ne!(random_secret().unwrap(), random_secret().unwrap());
    }
}
