//! Bootstrap tokens: Secrets `bootstrap-token-<id>` in `kube-system`, good until they expire.
//!
//! What a token must be, and why one is refused, is upstream's; the refusal's reason goes to the log only.

use jiff::Timestamp;
use knarr_api::Object;
use knarr_client::{Api, ApiExt as _, resources};
use knarr_pki::BootstrapToken;
use serde::Deserialize;

use crate::User;

#[derive(Deserialize)]
struct Secret {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    data: std::collections::BTreeMap<String, String>,
}

/// The user of a token.
///
/// # Errors
/// Why there is none.
pub(super) async fn user(api: &dyn Api, token: &BootstrapToken, now: Timestamp) -> Result<User, String> {
    let secret = api.get(&resources::SECRETS, "kube-system", &token.secret_name()).await.map_err(|e| e.to_string())?;
    judge(&secret, token, now)
}

fn judge(object: &Object, token: &BootstrapToken, now: Timestamp) -> Result<User, String> {
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    let secret: Secret = object.decode().map_err(|e| e.to_string())?;
    let text = |key: &str| {
        let bytes = secret.data.get(key).and_then(|v| BASE64.decode(v).ok()).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    };
    let refuse = |why: &str| Err(format!("bootstrap token {}: {why}", token.id));
    if object.meta().deleted.is_some() || secret.kind != BootstrapToken::SECRET_TYPE {
        return refuse("its Secret is none of a bootstrap token, or about to go");
    }
    // Hashes are compared: how long that takes tells nothing about the secret.
    if super::table::hash(&text("token-secret")) != super::table::hash(&token.secret) || text("token-id") != token.id {
        return refuse("the secret is wrong");
    }
    match text("expiration").as_str() {
        "" => {}
        time => match time.parse::<Timestamp>() {
            Ok(end) if end > now => {}
            Ok(_) => return refuse("it has expired"),
            Err(_) => return refuse("its expiration is no time"),
        },
    }
    if text("usage-bootstrap-authentication") != "true" {
        return refuse("it is not for authentication");
    }
    let extra = text("auth-extra-groups");
    let extra: Vec<&str> = extra.split(',').map(str::trim).filter(|g| !g.is_empty()).collect();
    if !extra.iter().all(|g| BootstrapToken::is_group(g)) {
        return refuse("it gives groups that no token may give");
    }
    let mut groups = vec![BootstrapToken::GROUP, "system:authenticated"];
    groups.extend(extra);
    Ok(User::new(&format!("system:bootstrap:{}", token.id), &groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_judged_as_upstream_judges_them() {
        use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
        let token = BootstrapToken::parse("abcdef.0123456789abcdef").unwrap();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let good = [
            ("token-id", "abcdef"),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-authentication", "true"),
            ("expiration", "2026-01-01T00:00:01Z"),
            ("auth-extra-groups", "system:bootstrappers:a,system:bootstrappers:b"),
        ];
        let verdict = |kind: &str, key: &str, value: &str| {
            let data = good.iter().map(|(k, v)| (*k, BASE64.encode(if *k == key { value } else { *v })));
            let data: std::collections::BTreeMap<_, _> = data.collect();
            let json = serde_json::json!({ "metadata": { "name": "x" }, "type": kind, "data": data }).to_string();
            judge(&Object::from_json(json.into()).unwrap(), &token, now)
                .map(|u| format!("{} {}", u.name, u.groups.join(" ")))
        };
        assert_eq!(
            verdict(BootstrapToken::SECRET_TYPE, "", "").unwrap(),
            "system:bootstrap:abcdef system:bootstrappers system:authenticated system:bootstrappers:a system:bootstrappers:b"
        );
        assert!(verdict(BootstrapToken::SECRET_TYPE, "expiration", "").is_ok(), "one without an end has none");
        for (kind, key, value) in [
            ("Opaque", "", ""),
            (BootstrapToken::SECRET_TYPE, "token-secret", "0123456789abcdeg"),
            (BootstrapToken::SECRET_TYPE, "token-id", "abcdeg"),
            (BootstrapToken::SECRET_TYPE, "expiration", "2026-01-01T00:00:00Z"),
            (BootstrapToken::SECRET_TYPE, "expiration", "soon"),
            (BootstrapToken::SECRET_TYPE, "usage-bootstrap-authentication", "yes"),
            (BootstrapToken::SECRET_TYPE, "auth-extra-groups", "system:masters"),
        ] {
            assert!(verdict(kind, key, value).is_err(), "{kind} {key} {value}");
        }
    }
}
