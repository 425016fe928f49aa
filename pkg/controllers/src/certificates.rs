//! CertificateSigningRequests: approving those of nodes, signing what is approved, cleaning up.
//!
//! A node's own certificates are approved without a person: the first one of a machine that showed a token which may make
//! nodes *and* holds the node's name (see [`claim`]), renewals of the node itself, and what it shows at its own port. All
//! other requests wait for `kubectl certificate approve`. Signed is what upstream's signers sign, under the same names
//! and conditions.

pub mod claim;
mod clean;
mod plan;
mod request;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Reason, Status, Value, value};
use knarr_client::{
    ApiExt as _, Cache, Key, Selection, WorkQueue,
    resources::{CERTIFICATE_SIGNING_REQUESTS, NODES, SECRETS, SUBJECT_ACCESS_REVIEWS},
};
use knarr_daemon::Tasks;
use knarr_pki::{Ca, Terms};

use crate::{Context, conditions::Condition, context::Again};
use claim::Claim;
use plan::{Facts, Machine, Verdict};
use request::Wanted;

/// Who signs.
pub struct Authorities {
    /// What clients show.
    pub client: Arc<Ca>,
    /// What kubelets show.
    pub server: Arc<Ca>,
    /// Longest life of what is signed.
    pub life: Duration,
}

/// What requests may ask for at least.
const SHORTEST: Duration = Duration::from_secs(600);
/// What is signed begins a little earlier: clocks differ.
const BACKDATE: Duration = Duration::from_secs(300);

#[derive(Clone)]
struct Worker {
    cx: Context,
    authorities: Arc<Authorities>,
    requests: Arc<Cache<Wanted>>,
    nodes: Arc<Cache<Machine>>,
    claims: Arc<Cache<Claim>>,
}

/// Starts approver, signers and cleaner.
pub fn start(cx: &Context, authorities: Authorities, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let worker = Worker {
        cx: cx.clone(),
        authorities: Arc::new(authorities),
        requests: Cache::new(),
        nodes: Cache::new(),
        claims: Cache::new(),
    };
    let wake = queue.clone();
    cx.follow(tasks, "certificates", &CERTIFICATE_SIGNING_REQUESTS, &worker.requests, Wanted::of, move |change| {
        if change.new.is_some() {
            wake.add(change.key.clone());
        }
    });
    // A node that tells its addresses, and a name that is claimed, may be what a request waits for.
    let waiting = Waiting { requests: worker.requests.clone(), queue: queue.clone() };
    let again = waiting.clone();
    cx.follow(tasks, "certificates", &NODES, &worker.nodes, Machine::of, move |change| again.wake(&change.key.name));
    let (claims, api) = (worker.claims.clone(), cx.api.clone());
    tasks.spawn("certificates: claims", |stop| {
        let mut selection = Selection::all(&SECRETS).fields("type=Opaque");
        selection.namespace = claim::NAMESPACE.into();
        claims.run(api, selection, stop, Claim::of, move |change| {
            if let Some(claim) = change.new {
                waiting.wake(&claim.node);
            }
        })
    });
    let caches = worker.clone();
    let ready = move || {
        let w = caches.clone();
        async move {
            tokio::join!(w.requests.synced(), w.nodes.synced(), w.claims.synced());
        }
    };
    cx.work(tasks, "certificates", 1, &queue, ready, move |key| {
        let worker = worker.clone();
        async move { worker.reconcile(key).await }
    });
}

/// Requests that wait for something about a node.
#[derive(Clone)]
struct Waiting {
    requests: Arc<Cache<Wanted>>,
    queue: Arc<WorkQueue<Key>>,
}

impl Waiting {
    fn wake(&self, node: &str) {
        let of = |w: &Wanted| !w.is_decided() && w.node() == Some(node);
        let keys = self.requests.entries().into_iter().filter(|(_, w)| of(w)).map(|(key, _)| key);
        keys.for_each(|key| self.queue.add(key));
    }
}

impl Worker {
    async fn reconcile(&self, key: Key) -> Result<Again, Status> {
        let Some(request) = self.requests.get(&key) else { return Ok(None) };
        let now = Timestamp::now();
        let life = clean::left(&request, now);
        if life.is_zero() {
            tracing::debug!(request = %key, "cleaned up");
            return gone(self.cx.delete(&CERTIFICATE_SIGNING_REQUESTS, &key, &request.uid).await);
        }
        let done = if request.is_approved() {
            self.sign(&key, &request, now).await
        } else {
            self.approve(&key, &request, now).await
        };
        gone(done)?;
        Ok(Some(life))
    }

    async fn approve(&self, key: &Key, request: &Wanted, now: Timestamp) -> Result<(), Status> {
        if request.is_decided() {
            return Ok(());
        }
        let facts = Facts {
            node: request.node().and_then(|n| self.nodes.get(&Key::new("", n))),
            claim: request.node().and_then(|n| self.claims.get(&claim::key(n))),
        };
        let Verdict::Approve(approval) = plan::judge(request, &facts) else { return Ok(()) };
        if let Some(permission) = approval.permission()
            && !self.may(request, permission).await?
        {
            tracing::info!(request = %key, user = request.user(), permission, "recognized, but not permitted");
            return Ok(());
        }
        tracing::info!(request = %key, subject = request.subject(), "certificate request approved");
        let condition = condition("Approved", "AutoApproved", approval.message(), now);
        self.write(key, request, "approval", "conditions", condition_list(request, condition)).await
    }

    async fn sign(&self, key: &Key, request: &Wanted, now: Timestamp) -> Result<(), Status> {
        if request.is_issued() || request.is_failed() {
            return Ok(());
        }
        let Some(authority) = plan::signer(request) else { return Ok(()) };
        let signable = authority.and_then(|a| request.parsed.as_ref().map(|p| (a, p)).map_err(String::as_str));
        let (authority, parsed) = match signable {
            Ok(signable) => signable,
            Err(why) => {
                let condition = condition("Failed", "SignerValidationFailure", why, now);
                return self.write(key, request, "status", "conditions", condition_list(request, condition)).await;
            }
        };
        let ca = match authority {
            plan::Authority::Client => &self.authorities.client,
            plan::Authority::Server => &self.authorities.server,
        };
        let longest = self.authorities.life;
        let life = request.lifetime().map_or(longest, |asked| asked.max(SHORTEST).min(longest));
        let terms = Terms { usages: request.usages().to_vec(), begin: now - BACKDATE, end: now + life };
        let certificate = ca.sign(parsed, &terms).map_err(Status::internal)?;
        self.write(key, request, "status", "certificate", request::encode(&certificate).into()).await
    }

    async fn may(&self, request: &Wanted, permission: &str) -> Result<bool, Status> {
        let attributes = value!({
            "group": "certificates.k8s.io",
            "version": "*",
            "resource": "certificatesigningrequests",
            "subresource": permission,
            "verb": "create",
        });
        let mut body = value!({ "spec": { "user": request.user() } });
        body.set(&["spec", "groups"], request.groups().iter().map(String::as_str).collect::<Vec<_>>());
        body.set(&["spec", "resourceAttributes"], attributes);
        let review = self.cx.api.create(&SUBJECT_ACCESS_REVIEWS, "", body).await?;
        let review: Value = review.decode().map_err(Status::internal)?;
        Ok(review.at(&["status", "allowed"]).and_then(Value::as_bool) == Some(true))
    }

    async fn write(&self, key: &Key, request: &Wanted, sub: &str, field: &str, value: Value) -> Result<(), Status> {
        let mut body =
            value!({ "metadata": { "uid": request.uid.as_str(), "resourceVersion": request.version.as_str() } });
        body.set(&["status", field], value);
        self.cx.api.merge(&CERTIFICATE_SIGNING_REQUESTS, "", &key.name, sub, body).await.map(drop)
    }
}

/// What vanished meanwhile needs nothing; what changed comes back through the informer.
fn gone(result: Result<(), Status>) -> Result<Again, Status> {
    match result {
        Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => Ok(None),
        other => other.map(|()| None),
    }
}

fn condition(kind: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let new = Condition::new(kind, true, reason, message);
    Condition { last_update_time: Some(now), ..new }.since(&[], now).print()
}

/// The conditions there are, and one more.
fn condition_list(request: &Wanted, more: Value) -> Value {
    let mut all = request.conditions().to_vec();
    all.push(more);
    Value::Array(all)
}
