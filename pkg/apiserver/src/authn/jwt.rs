//! JSON web tokens signed with ES256 (RFC 7515, 7518): exactly the part ServiceAccount tokens need.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as URL},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a PEM block of PKCS #8.
    #[error("the signing key is not a PEM block \"PRIVATE KEY\"")]
    NotPem,
    /// Not a P-256 key.
    #[error("the signing key is not a P-256 key: {0}")]
    NotP256(String),
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Not three parts of base64 with JSON inside.
    #[error("not a JSON web token")]
    Malformed,
    /// Signed otherwise.
    #[error("invalid signature")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kid: String,
}

/// A P-256 public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// Uncompressed point: 4, x, y.
    point: Vec<u8>,
    id: String,
}

/// What a SubjectPublicKeyInfo of P-256 has before the point (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl VerifyingKey {
    fn new(point: &[u8]) -> Self {
        let id = URL.encode(Sha256::new().chain_update(SPKI).chain_update(point).finalize());
        Self { point: point.to_vec(), id }
    }

    /// The key id: the hash of the public key, as upstream derives it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The coordinates in base64url, as a JWK has them.
    pub(super) fn coordinates(&self) -> (String, String) {
        (URL.encode(&self.point[1..33]), URL.encode(&self.point[33..]))
    }
}

/// A P-256 key pair.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: VerifyingKey,
    random: SystemRandom,
}

impl SigningKey {
    /// Reads a PKCS #8 PEM file.
    ///
    /// # Errors
    /// It is none, or of another kind.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let body = pem.split_once("-----BEGIN PRIVATE KEY-----").and_then(|(_, rest)| rest.split_once("-----END"));
        let body: String = body.ok_or(KeyError::NotPem)?.0.split_whitespace().collect();
        Self::from_der(&BASE64_STANDARD.decode(body).map_err(|_| KeyError::NotPem)?)
    }

    /// Reads PKCS #8.
    ///
    /// # Errors
    /// It is of another kind.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
            .map_err(|e| KeyError::NotP256(e.to_string()))?;
        let public = VerifyingKey::new(pair.public_key().as_ref());
        Ok(Self { pair, public, random })
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs claims. None if the system has no randomness.
    pub(super) fn sign<C: Serialize>(&self, claims: &C) -> Option<String> {
        let header = Header { alg: "ES256".to_owned(), kid: self.public.id.clone() };
        let encode = |json: Vec<u8>| URL.encode(json);
        let mut token = encode(serde_json::to_vec(&header).ok()?);
        token.push('.');
        token.push_str(&encode(serde_json::to_vec(claims).ok()?));
        let signature = self.pair.sign(&self.random, token.as_bytes()).ok()?;
        token.push('.');
        token.push_str(&URL.encode(signature));
        Some(token)
    }
}

/// The claims of a token, not verified: only good for choosing who verifies it.
pub(super) fn peek<C: DeserializeOwned>(token: &str) -> Option<C> {
    let mut parts = token.split('.');
    let claims = parts.nth(1)?;
    parts.next()?;
    serde_json::from_slice(&URL.decode(claims).ok()?).ok()
}

/// The claims of a token that one of `keys` signed.
pub(super) fn verify<C: DeserializeOwned>(token: &str, keys: &[VerifyingKey]) -> Result<C, Refused> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
    let decode = |part: &str| URL.decode(part).map_err(|_| Refused::Malformed);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
    if header.alg != "ES256" {
        return Err(Refused::Signature);
    }
    let signature = decode(signature)?;
    let good = |key: &VerifyingKey| {
        (header.kid.is_empty() || header.kid == key.id)
            && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.point)
                .verify(signed.as_bytes(), &signature)
                .is_ok()
    };
    if !keys.iter().any(good) {
        return Err(Refused::Signature);
    }
    serde_json::from_slice(&decode(claims)?).map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let (key, other) = (key(), key());
        let token = key.sign(&json!({"a": 1})).unwrap();
        let keys = [other.public().clone(), key.public().clone()];
        assert_eq!(verify::<Value>(&token, &keys), Ok(json!({"a": 1})));
        assert_eq!(peek::<Value>(&token), Some(json!({"a": 1})));
        assert_eq!(verify::<Value>(&token, &keys[..1]), Err(Refused::Signature));

        let parts: Vec<&str> = token.split('.').collect();
        let forged = format!("{}.{}.{}", parts[0], URL.encode(r#"{"a":2}"#), parts[2]);
        assert_eq!(verify::<Value>(&forged, &keys), Err(Refused::Signature));
        let unsigned = format!("{}.{}.", URL.encode(r#"{"alg":"none"}"#), parts[1]);
        assert_eq!(verify::<Value>(&unsigned, &keys), Err(Refused::Signature));
        for bad in ["", "a", "a.b", "a.b.c", "....", "é.é.é"] {
            assert_eq!(verify::<Value>(bad, &keys), Err(Refused::Malformed), "{bad}");
        }
    }

    #[test]
    fn keys_that_are_none() {
        assert!(matches!(SigningKey::from_pem("x"), Err(KeyError::NotPem)));
        assert!(matches!(SigningKey::from_der(b"x"), Err(KeyError::NotP256(_))));
    }
}
