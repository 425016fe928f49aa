//! `https://host:port`, as `--server` takes it.

use std::{fmt, str::FromStr};

/// The API's port where the URL names none.
const PORT: u16 = 6443;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
}

impl FromStr for ServerUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("https://").ok_or("it does not begin with https://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '@', '?', '#', ' ']) {
            return Err("it is not just https://host:port");
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => {
                let (host, rest) = v6.split_once(']').ok_or("a bracket is open")?;
                (host, rest.strip_prefix(':'))
            }
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err("it names no host");
        }
        let port = port.map_or(Ok(PORT), |p| p.parse().map_err(|_| "its port is not a port"))?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "https://[{host}]:{port}") } else { write!(f, "https://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, want) in [
            ("https://10.0.0.1:6443", Some("https://10.0.0.1:6443")),
            ("https://server.example/", Some("https://server.example:6443")),
            ("https://[fd00::1]:7000", Some("https://[fd00::1]:7000")),
            ("http://10.0.0.1:6443", None),
            ("https://", None),
            ("https://a:b", None),
            ("https://a/b", None),
            ("https://[fd00::1", None),
            ("10.0.0.1", None),
        ] {
            let got = text.parse::<ServerUrl>().ok().map(|u| u.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }
}
