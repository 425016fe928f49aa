//! ServiceAccount tokens: signed here, checked here, and good only while what they are bound to lives.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use knarr_api::{Object, Status};
use knarr_client::{Api, ApiExt as _, Resource, resources};
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    jwt::{self, SigningKey, VerifyingKey},
    table::hash,
};
use crate::{
    User,
    registry::{Clock, TokenGrant, TokenIssuer, TokenRequest},
};

/// Clocks of a cluster differ a little; what was deleted a moment ago may still finish.
const LEEWAY: i64 = 60;

/// Claims whose signature was checked, kept because checking costs more than everything else about a request.
const CACHED: usize = 1024;

/// Claims of a token.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Claims {
    #[serde(deserialize_with = "one_or_many")]
    aud: Vec<String>,
    exp: i64,
    #[serde(default)]
    iat: i64,
    iss: String,
    #[serde(default)]
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Bound,
    #[serde(default)]
    nbf: i64,
    sub: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Bound {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<Ref>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Ref>,
    serviceaccount: Ref,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Ref {
    name: String,
    uid: String,
}

/// RFC 7519: one audience may stand alone.
fn one_or_many<'d, D: Deserializer<'d>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(input)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}

/// Signs and checks ServiceAccount tokens.
pub struct ServiceAccounts {
    issuer: String,
    audiences: Vec<String>,
    key: SigningKey,
    keys: Vec<VerifyingKey>,
    clock: Clock,
    live: OnceLock<Arc<dyn Api>>,
    checked: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

impl ServiceAccounts {
    /// Tokens of `issuer`, signed by `key`; `retired` keys are still believed. `audiences` are the API server's own
    /// names, the first one stands in tokens that ask for none.
    pub fn new(
        issuer: &str,
        audiences: Vec<String>,
        key: SigningKey,
        retired: Vec<VerifyingKey>,
        clock: Clock,
    ) -> Arc<Self> {
        let keys = std::iter::once(key.public().clone()).chain(retired).collect();
        Arc::new(Self {
            issuer: issuer.to_owned(),
            audiences,
            key,
            keys,
            clock,
            live: OnceLock::new(),
            checked: Mutex::default(),
        })
    }

    /// Tells where the living objects are. Until then every token is refused: the registry that issues tokens exists
    /// before a caller of it can.
    pub fn bind(&self, api: Arc<dyn Api>) {
        let _ = self.live.set(api);
    }

    /// Where the living objects are, and the time.
    pub(super) fn live(&self) -> Option<(&Arc<dyn Api>, Timestamp)> {
        self.live.get().map(|api| (api, (self.clock)()))
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The API server's own names.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The keys that are believed.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The user of a token, with those of `audiences` (none: the API server's own) it is good for.
    pub(super) async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(Arc<User>, Vec<String>), String> {
        let claims = self.claims(token)?;
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let good: Vec<String> = wanted.iter().filter(|a| claims.aud.contains(a)).cloned().collect();
        if good.is_empty() {
            return Err(format!("token audiences {:?} is invalid for the target audiences {wanted:?}", claims.aud));
        }
        let now = (self.clock)();
        check_times(&claims, now.as_second())?;
        self.check_living(&claims.kubernetes, now).await?;
        Ok((Arc::new(user_of(&claims)), good))
    }

    fn claims(&self, token: &str) -> Result<Arc<Claims>, String> {
        let key = hash(token);
        if let Some(claims) = self.checked.lock().get(&key) {
            return Ok(claims.clone());
        }
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        if jwt::peek::<Issuer>(token).is_none_or(|i| i.iss != self.issuer) {
            return Err("unknown token".to_owned());
        }
        let claims: Arc<Claims> = Arc::new(jwt::verify(token, &self.keys).map_err(|e| e.to_string())?);
        let mut checked = self.checked.lock();
        if checked.len() >= CACHED {
            checked.clear();
        }
        checked.insert(key, claims.clone());
        Ok(claims)
    }

    async fn check_living(&self, bound: &Bound, now: Timestamp) -> Result<(), String> {
        let api = self.live.get().ok_or("the server is starting")?;
        let namespace = &bound.namespace;
        let get = async |resource: &Resource, namespace: &str, r: &Ref| api.get(resource, namespace, &r.name).await;
        let account =
            get(&resources::SERVICE_ACCOUNTS, namespace, &bound.serviceaccount).await.map_err(|e| e.to_string())?;
        let wanted = &bound.serviceaccount;
        if *account.meta().uid != wanted.uid {
            return Err(format!("service account UID ({}) does not match claim ({})", account.meta().uid, wanted.uid));
        }
        if is_gone(&account, now) {
            return Err(format!("service account {namespace}/{} has been deleted", wanted.name));
        }
        let node = bound.node.as_ref().filter(|_| bound.pod.is_none());
        let bindings = [
            (&bound.secret.as_ref(), &resources::SECRETS, namespace.as_str()),
            (&bound.pod.as_ref(), &resources::PODS, namespace.as_str()),
            (&node, &resources::NODES, ""),
        ];
        for (r, resource, namespace) in bindings {
            let Some(r) = r else { continue };
            let object = get(resource, namespace, r).await;
            let same = object.is_ok_and(|o| *o.meta().uid == r.uid && !is_gone(&o, now));
            if !same {
                return Err("service account token has been invalidated".to_owned());
            }
        }
        Ok(())
    }
}

fn check_times(claims: &Claims, now: i64) -> Result<(), String> {
    match claims {
        c if now - LEEWAY > c.exp => Err("service account token has expired".to_owned()),
        c if now + LEEWAY < c.nbf => Err("service account token is not valid yet".to_owned()),
        c if now + LEEWAY < c.iat => Err("service account token is issued in the future".to_owned()),
        _ => Ok(()),
    }
}

/// Deleted longer ago than the leeway, though finalizers or containers hold it.
fn is_gone(object: &Object, now: Timestamp) -> bool {
    let deleted = object.meta().deleted.as_deref().and_then(|t| t.parse::<Timestamp>().ok());
    deleted.is_some_and(|t| t.as_second() < now.as_second() - LEEWAY)
}

fn user_of(claims: &Claims) -> User {
    let Bound { namespace, node, pod, serviceaccount, .. } = &claims.kubernetes;
    let name = format!("system:serviceaccount:{namespace}:{}", serviceaccount.name);
    let group = format!("system:serviceaccounts:{namespace}");
    let mut user = User::new(&name, &["system:serviceaccounts", &group, "system:authenticated"]);
    user.uid.clone_from(&serviceaccount.uid);
    let mut extra = |key: &str, value: &str| {
        if !value.is_empty() {
            user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
        }
    };
    if !claims.jti.is_empty() {
        extra("credential-id", &format!("JTI={}", claims.jti));
    }
    for (kind, r) in [("pod", pod), ("node", node)] {
        let Some(r) = r else { continue };
        extra(&format!("{kind}-name"), &r.name);
        extra(&format!("{kind}-uid"), &r.uid);
    }
    user
}

impl TokenIssuer for ServiceAccounts {
    fn issue(&self, request: &TokenRequest, now: Timestamp) -> Result<TokenGrant, Status> {
        let TokenRequest { namespace, name, uid, audiences, expiration_seconds, bound, node } = request;
        let make = |(name, uid): (&String, &String)| Ref { name: name.clone(), uid: uid.clone() };
        let mut kubernetes = Bound {
            namespace: namespace.clone(),
            serviceaccount: make((name, uid)),
            node: node.as_ref().map(|(name, uid)| make((name, uid))),
            ..Bound::default()
        };
        if let Some((kind, name, uid)) = bound {
            let place = match kind.as_str() {
                "Pod" => &mut kubernetes.pod,
                "Secret" => &mut kubernetes.secret,
                _ => &mut kubernetes.node,
            };
            *place = Some(make((name, uid)));
        }
        let audiences =
            if audiences.is_empty() { self.audiences.iter().take(1).cloned().collect() } else { audiences.clone() };
        let (issued, expires) = (now.as_second(), now.as_second() + expiration_seconds);
        let claims = Claims {
            aud: audiences.clone(),
            exp: expires,
            iat: issued,
            iss: self.issuer.clone(),
            jti: random_id().ok_or_else(|| Status::internal("the system has no randomness"))?,
            kubernetes,
            nbf: issued,
            sub: format!("system:serviceaccount:{namespace}:{name}"),
        };
        let token = self.key.sign(&claims).ok_or_else(|| Status::internal("the system has no randomness"))?;
        let expires = Timestamp::from_second(expires).map_err(Status::internal)?;
        Ok(TokenGrant { token, expires, audiences })
    }
}

/// A random UUID (version 4).
fn random_id() -> Option<String> {
    let mut b = [0u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut b).ok()?;
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[cfg(test)]
mod tests;
