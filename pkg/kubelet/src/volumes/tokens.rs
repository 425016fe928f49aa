//! Service account tokens for pods, asked for through TokenRequest and kept until most of their life is over.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use knarr_api::value;
use knarr_client::{Api, Request, Verb, resources::SERVICE_ACCOUNTS};
use parking_lot::Mutex;

use crate::pod;

/// A token older than this is renewed, however long it lives.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// What token is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TokenRequest {
    /// Audience; empty for the API server's own.
    pub(super) audience: String,
    /// Life time asked for.
    pub(super) seconds: i64,
}

#[derive(Clone)]
struct Token {
    text: String,
    renew: Timestamp,
    expires: Timestamp,
}

/// The tokens of this node's pods, in memory only.
pub(crate) struct Tokens {
    api: Arc<dyn Api>,
    /// By pod UID and request.
    tokens: Mutex<HashMap<(String, TokenRequest), Token>>,
}

impl Tokens {
    /// No tokens yet.
    pub(crate) fn new(api: Arc<dyn Api>) -> Self {
        Self { api, tokens: Mutex::default() }
    }

    /// A token and when to ask again. While the API is away an old one is used as long as it is good.
    pub(super) async fn get(
        &self,
        pod: &Pod,
        request: &TokenRequest,
        now: Timestamp,
    ) -> Result<(String, Timestamp), String> {
        let key = (pod::uid(pod).to_owned(), request.clone());
        let old = self.tokens.lock().get(&key).cloned();
        if let Some(old) = &old
            && now < old.renew
        {
            return Ok((old.text.clone(), old.renew));
        }
        match self.ask(pod, request, now).await {
            Ok(token) => {
                let answer = (token.text.clone(), token.renew);
                self.tokens.lock().insert(key, token);
                Ok(answer)
            }
            Err(e) => match old {
                Some(old) if now < old.expires => Ok((old.text, now + SignedDuration::from_secs(30))),
                _ => Err(format!("failed to fetch token: {e}")),
            },
        }
    }

    /// Forgets a pod's tokens.
    pub(super) fn forget(&self, uid: &str) {
        self.tokens.lock().retain(|(pod, _), _| pod != uid);
    }

    async fn ask(&self, pod: &Pod, request: &TokenRequest, now: Timestamp) -> Result<Token, String> {
        let account = pod::spec(pod).service_account_name.clone().unwrap_or_else(|| "default".to_owned());
        let mut body = value!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {
                "expirationSeconds": request.seconds,
                "boundObjectRef": {
                    "apiVersion": "v1", "kind": "Pod", "name": pod::name(pod), "uid": pod::uid(pod),
                },
            },
        });
        if !request.audience.is_empty() {
            body.set(&["spec", "audiences"], vec![request.audience.as_str()]);
        }
        let call = Request::new(Verb::Create, &SERVICE_ACCOUNTS)
            .namespace(pod::namespace(pod))
            .name(&account)
            .subresource("token")
            .body(body);
        let answer = self.api.call(call).await.and_then(knarr_client::Reply::into_object);
        let answer = answer.map_err(|e| e.message().to_owned())?;
        let answer: wire::Answer = answer.decode().map_err(|e| e.to_string())?;
        let expires = answer.status.expiration_timestamp;
        let life = expires.duration_since(now);
        let renew = now + (life * 4 / 5).min(MAX_AGE);
        Ok(Token { text: answer.status.token, renew, expires })
    }
}

mod wire {
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Answer {
        pub(super) status: Status,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Status {
        pub(super) token: String,
        #[serde(deserialize_with = "time")]
        pub(super) expiration_timestamp: jiff::Timestamp,
    }

    fn time<'de, D: serde::Deserializer<'de>>(d: D) -> Result<jiff::Timestamp, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
