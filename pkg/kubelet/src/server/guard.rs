//! Who may ask this node over the network.
//!
//! The API server shows a certificate of `system:masters` and may everything. Everybody else is asked who he is (a client
//! certificate of the cluster, or a token the API server is shown) and may what the API server says he may, in the
//! resources upstream's kubelet names: `nodes/metrics`, `nodes/stats`, `nodes/log`, …, else `nodes/proxy`. Answers are
//! kept for a while, as upstream keeps them; while the API is away only what was answered before is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use knarr_api::{Object, Status, Value, value};
use knarr_client::{
    Api, ApiExt as _,
    resources::{SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS},
};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

use super::Refused;

/// The group that may everything.
const MASTERS: &str = "system:masters";
/// How long answers count.
const KNOWN: Duration = Duration::from_secs(120);
const ALLOWED: Duration = Duration::from_secs(300);
const DENIED: Duration = Duration::from_secs(30);
/// Answers kept at once; when they are more, all are asked for again.
const KEPT: usize = 1024;

/// Somebody who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Caller {
    /// User name.
    #[serde(rename = "username")]
    pub name: String,
    /// User id.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// See the module.
pub struct Guard {
    api: Arc<dyn Api>,
    node: String,
    tokens: Mutex<Kept<String, Caller>>,
    answers: Mutex<Kept<Question, bool>>,
}

type Kept<K, V> = HashMap<K, (V, Instant)>;
type Question = (Caller, &'static str, &'static str);

impl Guard {
    /// Asks `api` about callers of `node`.
    pub fn new(api: Arc<dyn Api>, node: &str) -> Arc<Self> {
        Arc::new(Self { api, node: node.to_owned(), tokens: Mutex::default(), answers: Mutex::default() })
    }

    /// Lets a request in or not. `certificate` is the caller its connection has shown, `token` what it brings along.
    pub(super) async fn admit(
        &self,
        certificate: Option<&Caller>,
        token: Option<&str>,
        method: &Method,
        path: &str,
    ) -> Result<(), Refused> {
        let caller = match (certificate, token) {
            (Some(caller), _) => caller.clone(),
            (None, Some(token)) => self.caller_of(token).await?,
            (None, None) => return Err(unauthorized()),
        };
        if caller.groups.iter().any(|g| g == MASTERS) {
            return Ok(());
        }
        let (verb, parts) = (verb(method), subresources(path));
        for part in parts {
            if self.may(&caller, verb, part).await? {
                return Ok(());
            }
        }
        let text = format!(
            "Forbidden (user={}, verb={verb}, resource=nodes, subresource(s)=[{}])\n",
            caller.name,
            parts.join(" ")
        );
        Err(Refused::new(StatusCode::FORBIDDEN, text))
    }

    async fn caller_of(&self, token: &str) -> Result<Caller, Refused> {
        if let Some(caller) = known(&self.tokens, &token.to_owned()) {
            return Ok(caller);
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Answer {
            authenticated: bool,
            user: Caller,
        }
        let body = value!({ "spec": { "token": token } });
        let answer =
            self.api.create(&TOKEN_REVIEWS, "", body).await.and_then(status::<Answer>).map_err(|e| asking(&e))?;
        if !answer.authenticated {
            return Err(unauthorized());
        }
        keep(&self.tokens, token.to_owned(), answer.user.clone(), KNOWN);
        Ok(answer.user)
    }

    async fn may(&self, caller: &Caller, verb: &'static str, part: &'static str) -> Result<bool, Refused> {
        let question = (caller.clone(), verb, part);
        if let Some(answer) = known(&self.answers, &question) {
            return Ok(answer);
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Answer {
            allowed: bool,
        }
        let groups: Vec<Value> = caller.groups.iter().map(|g| Value::from(g.as_str())).collect();
        let mut body = value!({ "spec": { "user": caller.name.as_str(), "uid": caller.uid.as_str() } });
        body.set(&["spec", "groups"], groups);
        body.set(
            &["spec", "resourceAttributes"],
            value!({ "verb": verb, "version": "v1", "resource": "nodes", "subresource": part, "name": self.node.as_str() }),
        );
        let answer = self.api.create(&SUBJECT_ACCESS_REVIEWS, "", body).await;
        let allowed = answer.and_then(status::<Answer>).map_err(|e| asking(&e))?.allowed;
        keep(&self.answers, question, allowed, if allowed { ALLOWED } else { DENIED });
        Ok(allowed)
    }
}

fn status<T: serde::de::DeserializeOwned + Default>(review: Object) -> Result<T, Status> {
    #[derive(Deserialize)]
    struct Review<T> {
        status: Option<T>,
    }
    let review: Review<T> = review.decode().map_err(Status::internal)?;
    Ok(review.status.unwrap_or_default())
}

fn known<K: Eq + std::hash::Hash, V: Clone>(kept: &Mutex<Kept<K, V>>, key: &K) -> Option<V> {
    let kept = kept.lock();
    kept.get(key).filter(|(_, until)| Instant::now() < *until).map(|(value, _)| value.clone())
}

fn keep<K: Eq + std::hash::Hash, V>(kept: &Mutex<Kept<K, V>>, key: K, value: V, time: Duration) {
    let mut kept = kept.lock();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(key, (value, Instant::now() + time));
}

fn unauthorized() -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, "Unauthorized")
}

fn asking(error: &Status) -> Refused {
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the API server could not be asked: {error}"))
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// What a path is part of, the finest first.
fn subresources(path: &str) -> &'static [&'static str] {
    let root = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match root {
        "pods" | "runningpods" => &["pods", "proxy"],
        "healthz" => &["healthz", "proxy"],
        "configz" => &["configz", "proxy"],
        "stats" => &["stats"],
        "metrics" => &["metrics"],
        "logs" => &["log"],
        "checkpoint" => &["checkpoint"],
        "statusz" => &["statusz"],
        "flagz" => &["configz"],
        _ => &["proxy"],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use knarr_client::{EventStream, Reply, Request};

    use super::*;

    /// Knows the token `good`, and lets everybody read metrics.
    #[derive(Default)]
    struct Reviewer {
        asked: AtomicU32,
    }

    #[async_trait]
    impl Api for Reviewer {
        async fn call(&self, request: Request) -> Result<Reply, Status> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let body = request.body.unwrap();
            let mut answer = value!({ "metadata": {} });
            if body.str_at(&["spec", "token"]) == "good" {
                answer.set(&["status"], value!({ "authenticated": true, "user": { "username": "scraper" } }));
            } else {
                let part = body.str_at(&["spec", "resourceAttributes", "subresource"]);
                answer.set(&["status", "allowed"], part == "metrics");
            }
            let mut out = Vec::new();
            knarr_api::json::write(&answer, &mut out);
            Ok(Reply::Object(Object::from_json(out.into()).unwrap()))
        }

        async fn watch(&self, _: Request) -> Result<EventStream, Status> {
            Err(Status::internal("nobody watches reviews"))
        }
    }

    #[tokio::test]
    async fn callers_are_asked_who_they_are_and_may_what_they_may() {
        let reviewer = Arc::new(Reviewer::default());
        let guard = Guard::new(reviewer.clone(), "n");
        let master =
            Caller { name: "kube-apiserver-kubelet-client".into(), groups: vec![MASTERS.into()], ..Caller::default() };
        let other = Caller { name: "system:node:other".into(), ..Caller::default() };
        for (certificate, token, path, code) in [
            (Some(&master), None, "/exec/a/b/c", 0),
            (Some(&other), None, "/exec/a/b/c", 403),
            (Some(&other), None, "/metrics/resource", 0),
            (None, None, "/metrics", 401),
            (None, Some("bad"), "/metrics", 401),
            (None, Some("good"), "/metrics", 0),
            (None, Some("good"), "/pods", 403),
        ] {
            let admitted = guard.admit(certificate, token, &Method::GET, path).await;
            assert_eq!(admitted.map_or_else(|refused| refused.code.as_u16(), |()| 0), code, "{token:?} {path}");
        }
        let asked = reviewer.asked.load(Ordering::Relaxed);
        guard.admit(None, Some("good"), &Method::GET, "/metrics").await.unwrap();
        assert_eq!(reviewer.asked.load(Ordering::Relaxed), asked, "answers are kept");
    }

    #[test]
    fn paths_are_parts_of_the_node() {
        for (path, part) in [
            ("/metrics/cadvisor", "metrics"),
            ("/stats/summary", "stats"),
            ("/pods", "pods"),
            ("/metricsx", "proxy"),
            ("/", "proxy"),
        ] {
            assert_eq!(subresources(path)[0], part, "{path}");
        }
    }
}
