//! Registry credentials in pull secrets.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use knarr_cri::v1::AuthConfig;
use serde::Deserialize;

use crate::translate::Data;

#[derive(Deserialize)]
struct Config {
    auths: BTreeMap<String, Entry>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    username: String,
    password: String,
    auth: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
    #[serde(rename = "registrytoken")]
    registry_token: String,
}

/// What a secret has for an image, the most exact registry path first.
pub(super) fn credentials(secret: &Data, image: &str) -> Vec<AuthConfig> {
    let entries = match secret.kind.as_str() {
        "kubernetes.io/dockerconfigjson" => secret
            .entries
            .get(".dockerconfigjson")
            .and_then(|b| serde_json::from_slice::<Config>(b).ok())
            .map(|c| c.auths),
        "kubernetes.io/dockercfg" => secret.entries.get(".dockercfg").and_then(|b| serde_json::from_slice(b).ok()),
        _ => None,
    };
    let image = full(image);
    let mut found: Vec<(usize, AuthConfig)> = entries
        .into_iter()
        .flatten()
        .filter_map(|(key, entry)| {
            let path = plain(&key);
            matches(&path, &image).then(|| (path.len(), auth(entry)))
        })
        .collect();
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, auth)| auth).collect()
}

/// The server's address is left out, as upstream does: the runtime would want a URL there and compare its host with the
/// one it speaks to, which for Docker's own registry has another name.
fn auth(entry: Entry) -> AuthConfig {
    let decoded = STANDARD.decode(entry.auth.trim()).ok().and_then(|b| String::from_utf8(b).ok());
    let (user, password) = match decoded.as_deref().and_then(|t| t.split_once(':')) {
        Some((user, password)) => (user.to_owned(), password.trim_end_matches('\0').to_owned()),
        None => (entry.username, entry.password),
    };
    AuthConfig {
        username: user,
        password,
        identity_token: entry.identity_token,
        registry_token: entry.registry_token,
        ..AuthConfig::default()
    }
}

/// `registry/path` of an image, Docker's short forms spelled out.
fn full(image: &str) -> String {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

/// A key of the file as `registry/path`.
fn plain(key: &str) -> String {
    let key = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let key = key.trim_end_matches("/v1").trim_end_matches("/v2");
    match key.strip_prefix("index.docker.io") {
        Some(rest) => format!("docker.io{rest}"),
        None => key.to_owned(),
    }
}

/// Whether the image lies in that registry and path; `*` stands for one part of a host name.
fn matches(path: &str, image: &str) -> bool {
    let (host, rest) = path.split_once('/').unwrap_or((path, ""));
    let (image_host, image_rest) = image.split_once('/').unwrap_or((image, ""));
    let (want, have): (Vec<_>, Vec<_>) = (host.split('.').collect(), image_host.split('.').collect());
    let part = |(w, h): (&&str, &&str)| match w.split_once('*') {
        Some((before, after)) => h.len() + 1 >= w.len() && h.starts_with(before) && h.ends_with(after),
        None => w == h,
    };
    want.len() == have.len()
        && want.iter().zip(&have).all(part)
        && (rest.is_empty()
            || image_rest == rest
            || image_rest.strip_prefix(rest).is_some_and(|r| r.starts_with(['/', ':', '@'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_registry_wins() {
        let json = r#"{"auths": {
            "r.example.com": {"username": "a", "password": "p"},
            "r.example.com/team": {"auth": "dTpw"},
            "*.other.io": {"username": "w"},
            "https://index.docker.io/v1/": {"username": "hub"}
        }}"#;
        let secret = Data {
            entries: [(".dockerconfigjson".to_owned(), json.as_bytes().to_vec())].into(),
            kind: "kubernetes.io/dockerconfigjson".into(),
        };
        let users = |image| credentials(&secret, image).into_iter().map(|a| a.username).collect::<Vec<_>>();
        assert_eq!(users("r.example.com/team/x:1"), ["u", "a"]);
        assert_eq!(users("r.example.com/teamwork/x"), ["a"]);
        assert_eq!(users("eu.other.io/x"), ["w"]);
        assert_eq!(users("busybox:1"), ["hub"]);
        assert!(users("quay.io/x").is_empty());
    }
}
