//! Under which names an image is to be pulled, and with which credentials. Pure.

use super::{Auth, Endpoint, Mirror, Registries};
use crate::v1::AuthConfig;

/// One try.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attempt {
    /// The name to pull.
    pub(crate) name: String,
    /// What the file has for that registry.
    pub(crate) auth: Option<AuthConfig>,
}

impl Registries {
    /// The tries for an image (its full name), its own name last.
    pub(crate) fn attempts(&self, image: &str) -> Vec<Attempt> {
        let Some((registry, rest)) = image.split_once('/') else { return vec![self.attempt(image, "")] };
        let known = |registry: &str| self.mirrors.get(registry)?.as_ref();
        let mirror = known(registry).or_else(|| known("*")).filter(|m| self.needs_us(m));
        let mirrored = mirror.into_iter().flat_map(|mirror| {
            let endpoints = mirror.endpoint.iter().filter_map(|e| Endpoint::parse(e));
            endpoints.map(move |e| {
                let below = if e.path.is_empty() { String::new() } else { format!("{}/", e.path) };
                (format!("{}/{below}{}", e.host, rewritten(mirror, rest)), e.host)
            })
        });
        let mut out: Vec<Attempt> = mirrored.map(|(name, host)| self.attempt(&name, host)).collect();
        out.push(self.attempt(image, registry));
        out.dedup_by(|later, earlier| later.name == earlier.name);
        out
    }

    fn attempt(&self, name: &str, host: &str) -> Attempt {
        let auth = self.settings(host).and_then(|s| s.auth.as_ref());
        Attempt { name: name.to_owned(), auth: auth.map(credentials) }
    }
}

/// The repository as the mirror has it; the first expression that matches counts. Tag and digest stay.
fn rewritten(mirror: &Mirror, rest: &str) -> String {
    let last = rest.rfind('/').map_or(0, |i| i + 1);
    let end = rest.find('@').or_else(|| rest[last..].find(':').map(|i| last + i)).unwrap_or(rest.len());
    let end = rest[last.min(end)..end].find(':').map_or(end, |i| last + i);
    let (repository, version) = rest.split_at(end);
    for (pattern, replacement) in &mirror.rewrite {
        let Ok(pattern) = regex_lite::Regex::new(pattern) else { continue };
        if pattern.is_match(repository) {
            return format!("{}{version}", pattern.replace(repository, replacement.as_str()));
        }
    }
    rest.to_owned()
}

fn credentials(auth: &Auth) -> AuthConfig {
    AuthConfig {
        username: auth.username.clone(),
        password: auth.password.clone(),
        auth: auth.auth.clone(),
        identity_token: auth.identitytoken.clone(),
        registry_token: auth.token.clone(),
        ..AuthConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registries::tests::registries;

    #[test]
    fn who_is_asked_for_what() {
        let of = registries(json!({
            "mirrors": {
                "docker.io": {
                    "endpoint": ["https://m1:5000", "https://m2/v2/cache"],
                    "rewrite": { "^library/(.*)$": "hub/$1" },
                },
                "plain.io": { "endpoint": ["https://m3"] },
                "same.io": { "endpoint": ["http://same.io"] },
                "*": { "endpoint": ["https://m4"] },
            },
            "configs": { "m2": { "auth": { "username": "u" } }, "m4": { "auth": { "token": "t" } } },
        }));
        let shown = |image: &str| {
            let name = |a: Attempt| match a.auth {
                Some(auth) => format!("{}({}{})", a.name, auth.username, auth.registry_token),
                None => a.name,
            };
            of.attempts(image).into_iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            shown("docker.io/library/nginx:1"),
            "m1:5000/hub/nginx:1 m2/cache/hub/nginx:1(u) docker.io/library/nginx:1"
        );
        assert_eq!(
            shown("docker.io/me/app@sha256:0a"),
            "m1:5000/me/app@sha256:0a m2/cache/me/app@sha256:0a(u) docker.io/me/app@sha256:0a"
        );
        assert_eq!(
            shown("docker.io/library/a:1@sha256:0a"),
            "m1:5000/hub/a:1@sha256:0a m2/cache/hub/a:1@sha256:0a(u) docker.io/library/a:1@sha256:0a"
        );
        assert_eq!(shown("plain.io/a"), "plain.io/a");
        assert_eq!(shown("same.io/a"), "same.io/a");
        assert_eq!(shown("other.io/a/b:c"), "m4/a/b:c(t) other.io/a/b:c");
    }
}
