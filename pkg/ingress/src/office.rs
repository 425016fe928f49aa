//! The server's half of the ingress: the class, the status of Ingresses, local certificates, complaints.
//!
//! Runs once in the cluster, beside the controllers. It reads the same objects as the nodes' half and builds the same
//! table, so that what it publishes and complains about is what the nodes do.

mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use knarr_api::{Reason, Status, Value, value};
use knarr_client::{
    Api, ApiExt as _, Cache, Selection,
    events::{Recorder, Type},
    resources,
};
use knarr_daemon::{Backoff, Stop, Tasks, clock::Steps};
use parking_lot::Mutex;

use crate::{
    caches::Caches,
    issue::{self, MANAGER, NAMESPACE, Signer, Step},
    objects::NodeInfo,
    table::{Problem, Table, View, build},
};

/// How long after a change others are waited for.
const SETTLE: Duration = Duration::from_millis(50);
/// How often everything is looked at, whatever happened.
const REPAIR: Duration = Duration::from_secs(12 * 3600);

/// The server's half of the ingress.
pub struct Office {
    api: Arc<dyn Api>,
    recorder: Recorder,
    signer: Arc<dyn Signer>,
    caches: Caches,
    nodes: Arc<Cache<NodeInfo>>,
    /// Problems told already: a sentence is said when it becomes true, not again while it stays so.
    told: Mutex<BTreeSet<Problem>>,
}

/// Why a round did not end well; it is tried again.
#[derive(Debug, thiserror::Error)]
enum OfficeError {
    #[error("write {what}")]
    Write {
        what: String,
        #[source]
        source: Status,
    },
    #[error("sign a certificate for {hosts:?}")]
    Sign {
        hosts: Vec<String>,
        #[source]
        source: knarr_daemon::Error,
    },
}

impl Office {
    /// The server's half; [`Office::start`] sets it going.
    pub fn new(api: Arc<dyn Api>, recorder: Recorder, signer: Arc<dyn Signer>) -> Arc<Self> {
        let caches = Caches::new(false);
        Arc::new(Self { api, recorder, signer, caches, nodes: Cache::new(), told: Mutex::default() })
    }

    /// Starts the informers and the one writer.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        const WHO: &str = "ingress office";
        self.caches.start(WHO, &self.api, tasks);
        let all = Selection::all(&resources::NODES);
        self.caches.follow(WHO, &self.nodes, all, NodeInfo::project, &self.api, tasks);
        let me = self.clone();
        tasks.spawn(format!("{WHO}: writer"), |stop| async move { me.run(stop).await });
    }

    async fn run(&self, stop: Stop) -> Result<(), Status> {
        tokio::select! {
            () = async { tokio::join!(self.caches.synced(), self.nodes.synced()); } => {}
            () = stop.cancelled() => return Ok(()),
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(60));
        let mut steps = Steps::new();
        loop {
            let wait = match self.round(Timestamp::now()).await {
                Ok(wait) => {
                    backoff.reset();
                    wait.min(REPAIR)
                }
                Err(e) => {
                    tracing::debug!(error = %knarr_daemon::chain(&e), "ingress: will try again");
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = self.caches.wake.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(wait) => {}
                () = steps.next() => {} // certificates are due by the time of day
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Makes everything as it should be; answers when to look again. One failure does not keep the rest from being
    /// done.
    async fn round(&self, now: Timestamp) -> Result<Duration, OfficeError> {
        let (view, nodes) = (self.caches.view(), self.nodes.list());
        let table = build(&view);
        self.tell(&view, &table);
        let class = self.class(&view).await;
        let status = self.status(&view, &table, &plan::addresses(&nodes)).await;
        let certificates = self.certificates(&view, &table, &plan::certified(&nodes), now).await;
        class.and(status).and(certificates)
    }

    /// Events about what is new.
    fn tell(&self, view: &View, table: &Table) {
        let now: BTreeSet<Problem> = table.problems.iter().cloned().collect();
        let mut told = self.told.lock();
        for problem in now.difference(&told) {
            if let Some(ingress) = view.ingresses.iter().find(|i| i.key == problem.ingress) {
                self.recorder.event(&ingress.reference(), Type::Warning, problem.reason, problem.message.as_str());
            }
        }
        *told = now;
    }

    /// Our IngressClass, if there is none.
    async fn class(&self, view: &View) -> Result<(), OfficeError> {
        let Some(class) = plan::class(&view.classes) else { return Ok(()) };
        match self.api.create(&resources::INGRESS_CLASSES, "", class).await {
            Err(e) if !e.is(Reason::AlreadyExists) => {
                Err(OfficeError::Write { what: "the IngressClass".to_owned(), source: e })
            }
            _ => Ok(()),
        }
    }

    async fn status(&self, view: &View, table: &Table, addresses: &[String]) -> Result<(), OfficeError> {
        let mut result = Ok(());
        for key in plan::stale(view, table, addresses) {
            let ingress = Value::Array(addresses.iter().map(|ip| value!({ "ip": ip.as_str() })).collect());
            let body = value!({ "status": { "loadBalancer": { "ingress": ingress } } });
            let written = self.api.merge(&resources::INGRESSES, &key.namespace, &key.name, "status", body).await;
            result = result.and(written_or_gone(written.map(drop), || format!("status of Ingress {key}")));
        }
        result
    }

    async fn certificates(
        &self,
        view: &View,
        table: &Table,
        addresses: &BTreeSet<std::net::IpAddr>,
        now: Timestamp,
    ) -> Result<Duration, OfficeError> {
        let of = view.secrets.iter().filter(|(key, _)| key.namespace == NAMESPACE);
        let have: BTreeMap<_, _> = of.map(|(key, secret)| (key.name.to_string(), &**secret)).collect();
        let (steps, again) = issue::plan(&table.local, addresses, &have, now);
        let mut result = Ok(());
        for step in steps {
            result = result.and(self.step(step).await);
        }
        let until = again.map(|at| at.duration_since(now).unsigned_abs());
        result.map(|()| until.unwrap_or(REPAIR))
    }

    async fn step(&self, step: Step) -> Result<(), OfficeError> {
        match step {
            Step::Issue { name, hosts } => {
                let (cert, key) = match self.signer.sign(&hosts) {
                    Ok(signed) => signed,
                    Err(source) => return Err(OfficeError::Sign { hosts, source }),
                };
                let body = issue::secret(&name, &cert, &key);
                let written = self.api.apply(&resources::SECRETS, NAMESPACE, &name, MANAGER, body).await;
                written.map(drop).map_err(|source| OfficeError::Write { what: format!("Secret {name}"), source })
            }
            Step::Delete { name } => {
                let deleted = self.api.delete(&resources::SECRETS, NAMESPACE, &name, "").await;
                written_or_gone(deleted, || format!("Secret {name}"))
            }
        }
    }
}

/// Deleted meanwhile: nothing is left to do.
fn written_or_gone(result: Result<(), Status>, what: impl FnOnce() -> String) -> Result<(), OfficeError> {
    match result {
        Err(source) if !source.is(Reason::NotFound) => Err(OfficeError::Write { what: what(), source }),
        _ => Ok(()),
    }
}
