//! What others need to check our ServiceAccount tokens: OpenID discovery and the key set.

use serde::Serialize;

use super::ServiceAccounts;

#[derive(Serialize)]
struct Configuration<'a> {
    issuer: &'a str,
    jwks_uri: String,
    response_types_supported: [&'a str; 1],
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: [&'a str; 1],
}

#[derive(Serialize)]
struct Keys<'a> {
    keys: Vec<Key<'a>>,
}

#[derive(Serialize)]
struct Key<'a> {
    #[serde(rename = "use")]
    usage: &'a str,
    kty: &'a str,
    kid: &'a str,
    crv: &'a str,
    alg: &'a str,
    x: String,
    y: String,
}

/// `/.well-known/openid-configuration`
pub fn configuration(accounts: &ServiceAccounts) -> Vec<u8> {
    let issuer = accounts.issuer();
    let document = Configuration {
        issuer,
        jwks_uri: format!("{}/openid/v1/jwks", issuer.trim_end_matches('/')),
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
    };
    serde_json::to_vec(&document).expect("strings always encode")
}

/// `/openid/v1/jwks`
pub fn key_set(accounts: &ServiceAccounts) -> Vec<u8> {
    let keys = accounts.keys().iter().map(|key| {
        let (x, y) = key.coordinates();
        Key { usage: "sig", kty: "EC", kid: key.id(), crv: "P-256", alg: "ES256", x, y }
    });
    serde_json::to_vec(&Keys { keys: keys.collect() }).expect("strings always encode")
}
