//! Deletes bootstrap tokens that have expired.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Object, Reason};
use knarr_client::{Cache, Key, Selection, WorkQueue, resources::SECRETS};
use knarr_daemon::Tasks;
use knarr_pki::BootstrapToken;
use serde::Deserialize;

use crate::Context;

/// A token with an end.
#[derive(Debug)]
struct Token {
    uid: String,
    end: Timestamp,
}

fn token(object: &Object) -> Option<Token> {
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    #[derive(Deserialize)]
    struct Wire {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        expiration: String,
    }
    let wire: Wire = object.decode().ok()?;
    let end = String::from_utf8(BASE64.decode(wire.data.expiration).ok()?).ok()?.parse().ok()?;
    Some(Token { uid: object.meta().uid.to_string(), end })
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let tokens: Arc<Cache<Token>> = Cache::new();
    let (cache, api, wake) = (tokens.clone(), cx.api.clone(), queue.clone());
    let mut selection = Selection::all(&SECRETS).fields(&format!("type={}", BootstrapToken::SECRET_TYPE));
    selection.namespace = "kube-system".into();
    tasks.spawn("token-cleaner: secrets", |stop| {
        cache.run(api, selection, stop, token, move |change| {
            if change.new.is_some() {
                wake.add(change.key.clone());
            }
        })
    });
    let (cx2, synced) = (cx.clone(), tokens.clone());
    let ready = move || {
        let synced = synced.clone();
        async move { synced.synced().await }
    };
    cx.work(tasks, "token-cleaner", 1, &queue, ready, move |key| {
        let (cx, tokens) = (cx2.clone(), tokens.clone());
        async move {
            let Some(token) = tokens.get(&key) else { return Ok(None) };
            let left = Duration::try_from(token.end.duration_since(Timestamp::now())).unwrap_or_default();
            if !left.is_zero() {
                return Ok(Some(left));
            }
            match cx.delete(&SECRETS, &key, &token.uid).await {
                Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) => Err(e),
                _ => Ok(None),
            }
        }
    });
}
