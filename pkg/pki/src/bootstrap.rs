//! Bootstrap tokens: `<id>.<secret>`, short-lived, kept as Secrets in `kube-system` (upstream's format).

use ring::rand::SecureRandom as _;

use crate::PkiError;

/// Letters of a token.
const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID: usize = 6;
const SECRET: usize = 16;

/// A bootstrap token.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    /// Public part.
    pub id: String,
    /// Secret part.
    pub secret: String,
}

impl BootstrapToken {
    /// Type of the Secrets.
    pub const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
    /// Group of all who show one.
    pub const GROUP: &str = "system:bootstrappers";
    /// Group of those who may make a node.
    pub const NODE_GROUP: &str = "system:bootstrappers:knarr:default-node-token";

    /// Reads `abcdef.0123456789abcdef`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |part: &str| part.bytes().all(|b| LETTERS.contains(&b));
        let (id, secret) = text.split_once('.')?;
        let fits = id.len() == ID && secret.len() == SECRET && plain(id) && plain(secret);
        fits.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// A new one.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn generate() -> Result<Self, PkiError> {
        Ok(Self { id: letters(ID)?, secret: letters(SECRET)? })
    }

    /// Name of its Secret.
    pub fn secret_name(&self) -> String {
        format!("bootstrap-token-{}", self.id)
    }

    /// Whether a group is one that tokens may give.
    pub fn is_group(name: &str) -> bool {
        let Some(rest) = name.strip_prefix("system:bootstrappers:") else { return false };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        rest.len() <= 256
            && rest.bytes().all(|b| plain(b) || matches!(b, b':' | b'-'))
            && rest.bytes().last().is_some_and(plain)
    }
}

impl std::fmt::Display for BootstrapToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.id, self.secret)
    }
}

impl std::fmt::Debug for BootstrapToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BootstrapToken({})", self.id) // the secret stays out of logs
    }
}

fn letters(count: usize) -> Result<String, PkiError> {
    let random = ring::rand::SystemRandom::new();
    let mut out = String::new();
    while out.len() < count {
        let mut byte = [0u8];
        let fail = |_| PkiError::Read { what: "random source".to_owned(), why: "the system has none".to_owned() };
        random.fill(&mut byte).map_err(fail)?;
        // 252 is the largest multiple of 36 in a byte: every letter is as likely as any other.
        if byte[0] < 252 {
            out.push(char::from(LETTERS[usize::from(byte[0] % 36)]));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let token = BootstrapToken::generate().unwrap();
        assert_eq!(BootstrapToken::parse(&token.to_string()), Some(token.clone()));
        assert_eq!(format!("{token:?}"), format!("BootstrapToken({})", token.id));
        for bad in [
            "",
            "abcdef",
            "abcdef.0123",
            "ABCDEF.0123456789abcdef",
            "abcdef.0123456789abcdef.x",
            "abcde.0123456789abcdefg",
        ] {
            assert_eq!(BootstrapToken::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn groups() {
        for (name, good) in [
            (BootstrapToken::NODE_GROUP, true),
            ("system:bootstrappers:a", true),
            ("system:bootstrappers:", false),
            ("system:bootstrappers:a-", false),
            ("system:bootstrappers:A", false),
            ("system:masters", false),
        ] {
            assert_eq!(BootstrapToken::is_group(name), good, "{name}");
        }
    }
}
