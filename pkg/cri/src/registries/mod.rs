//! `registries.yaml`: where images come from, and with what credentials. The file is k3s's.
//!
//! ```yaml
//! mirrors:
//!   docker.io:
//!     endpoint: ["https://mirror.example.com"]
//!     rewrite: { "^library/(.*)": "hub/$1" }
//! configs:
//!   mirror.example.com:
//!     auth: { username: u, password: p }
//!     tls: { ca_file: /etc/ssl/mirror.pem }
//! ```
//!
//! What containerd can do by itself is rendered into its `certs.d` (`hosts`): mirrors in order, TLS. It can neither
//! rewrite names nor log in to a mirror; images of such registries are pulled under the mirror's name and then given
//! their own (`attempts`, `adopt`), so that nobody sees where they came from.

mod adopt;
mod attempts;
mod hosts;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

pub(crate) use adopt::adopt;
pub use hosts::write;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Registries {
    /// Mirrors by registry; `"*"` stands for all that have none of their own.
    mirrors: BTreeMap<String, Option<Mirror>>,
    /// Credentials and TLS by registry; `"*"` as above.
    configs: BTreeMap<String, Option<Settings>>,
}

/// Where else a registry's images are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Mirror {
    /// Base URLs, tried in order.
    endpoint: Vec<String>,
    /// Regular expression on the repository → what stands there instead.
    rewrite: BTreeMap<String, String>,
}

/// How to speak to a registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    auth: Option<Auth>,
    tls: Option<Tls>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    username: String,
    password: String,
    /// `username:password` in base64.
    auth: String,
    #[serde(alias = "identity_token")]
    identitytoken: String,
    /// A bearer token.
    token: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Tls {
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    insecure_skip_verify: bool,
}

/// A file that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistriesError {
    /// An endpoint that is no URL.
    #[error("mirror {registry}: endpoint {endpoint:?} is not a URL like https://host")]
    Endpoint {
        /// Of which registry.
        registry: String,
        /// What stands there.
        endpoint: String,
    },
    /// A rewrite that is no regular expression.
    #[error("mirror {registry}: rewrite {pattern:?}: {why}")]
    Rewrite {
        /// Of which registry.
        registry: String,
        /// What stands there.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A base URL in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Endpoint<'a> {
    scheme: &'a str,
    host: &'a str,
    /// Without slashes at its ends and without the API's own `v2`.
    path: &'a str,
}

impl<'a> Endpoint<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        let path = path.strip_prefix("v2").filter(|p| p.is_empty() || p.starts_with('/')).unwrap_or(path);
        let good = matches!(scheme, "http" | "https") && is_host(host);
        good.then_some(Self { scheme, host, path: path.trim_matches('/') })
    }
}

/// Letters, digits and what else a host and port have: it becomes the name of a directory.
fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '[' | ']');
    !text.is_empty() && text.chars().all(plain) && !text.starts_with('.')
}

impl Registries {
    /// Checks what would only fail at a pull.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), RegistriesError> {
        for (registry, mirror) in self.mirrors() {
            let wrong = |endpoint: &str| RegistriesError::Endpoint {
                registry: registry.to_owned(),
                endpoint: endpoint.to_owned(),
            };
            if registry != "*" && !is_host(registry) {
                return Err(wrong(registry));
            }
            if let Some(endpoint) = mirror.endpoint.iter().find(|e| Endpoint::parse(e).is_none()) {
                return Err(wrong(endpoint));
            }
            for pattern in mirror.rewrite.keys() {
                if let Err(e) = regex_lite::Regex::new(pattern) {
                    let (registry, pattern) = (registry.to_owned(), pattern.clone());
                    return Err(RegistriesError::Rewrite { registry, pattern, why: e.to_string() });
                }
            }
        }
        Ok(())
    }

    /// Whether the file says nothing.
    pub fn is_empty(&self) -> bool {
        self.mirrors.is_empty() && self.configs.is_empty()
    }

    fn mirrors(&self) -> impl Iterator<Item = (&str, &Mirror)> {
        self.mirrors.iter().filter_map(|(registry, mirror)| Some((registry.as_str(), mirror.as_ref()?)))
    }

    fn settings(&self, host: &str) -> Option<&Settings> {
        let known = |host: &str| self.configs.get(host)?.as_ref();
        known(host).or_else(|| known("*"))
    }

    /// Whether containerd cannot use a mirror by itself.
    fn needs_us(&self, mirror: &Mirror) -> bool {
        let logs_in = |endpoint: &String| {
            let host = Endpoint::parse(endpoint).map(|e| e.host);
            host.and_then(|host| self.settings(host)).is_some_and(|s| s.auth.is_some())
        };
        !mirror.rewrite.is_empty() || mirror.endpoint.iter().any(logs_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn registries(json: serde_json::Value) -> Registries {
        let out: Registries = serde_json::from_value(json).unwrap();
        out.check().unwrap();
        out
    }

    #[test]
    fn endpoints_have_parts() {
        let table = [
            ("https://a", Some(("https", "a", ""))),
            ("http://a:5000/", Some(("http", "a:5000", ""))),
            ("https://a/v2/b/c", Some(("https", "a", "b/c"))),
            ("https://a/v2x", Some(("https", "a", "v2x"))),
            ("a:5000", Some(("https", "a:5000", ""))),
            ("ftp://a", None),
            ("https://", None),
            ("https://../x", None),
        ];
        for (url, want) in table {
            assert_eq!(Endpoint::parse(url).map(|e| (e.scheme, e.host, e.path)), want, "{url}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let of = |json| serde_json::from_value::<Registries>(json).unwrap().check().unwrap_err().to_string();
        let endpoint = of(serde_json::json!({ "mirrors": { "a": { "endpoint": ["ftp://x"] } } }));
        assert_eq!(endpoint, r#"mirror a: endpoint "ftp://x" is not a URL like https://host"#);
        let rewrite = of(serde_json::json!({ "mirrors": { "a": { "rewrite": { "(": "x" } } } }));
        assert!(rewrite.starts_with(r#"mirror a: rewrite "(": "#), "{rewrite}");
        assert!(registries(serde_json::json!({ "mirrors": { "a": null }, "configs": { "b": null } })).check().is_ok());
    }
}
