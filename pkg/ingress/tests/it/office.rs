//! The server's half: class, status, Events, local certificates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use knarr_api::Value;
use knarr_client::{Api, ApiExt as _, events::Recorder, fake::FakeApi, resources};
use knarr_daemon::{Error, Stop, Tasks};
use knarr_ingress::{
    Certificate, Office, Signer,
    issue::{self, Step},
};
use knarr_pki::{Ca, Leaf};

use crate::support::{apply, site};

struct TestCa {
    ca: Ca,
    signed: Mutex<Vec<Vec<String>>>,
}

impl TestCa {
    fn new() -> Self {
        Self { ca: Ca::create("test", Timestamp::now()).unwrap().0, signed: Mutex::default() }
    }
}

impl Signer for TestCa {
    fn sign(&self, hosts: &[String]) -> Result<(String, String), Error> {
        self.signed.lock().unwrap().push(hosts.to_vec());
        let identity = self.ca.issue(&Leaf::server(&hosts[0], hosts), Timestamp::now())?;
        Ok((identity.cert, identity.key))
    }
}

struct Cluster {
    api: Arc<FakeApi>,
    ca: Arc<TestCa>,
    _tasks: Tasks,
}

impl Cluster {
    async fn new(manifest: &str) -> Self {
        let api = Arc::new(FakeApi::new());
        apply(&api, manifest).await;
        let tasks = Tasks::new(&Stop::new());
        let client = api.clone() as Arc<dyn Api>;
        let (recorder, writer) = Recorder::new(client.clone(), "knarr-ingress", "");
        tasks.spawn("events", |stop| writer.run(stop));
        let ca = Arc::new(TestCa::new());
        Office::new(client, recorder, ca.clone()).start(&tasks);
        Self { api, ca, _tasks: tasks }
    }

    async fn until(&self, what: &str, wanted: impl AsyncFn(&FakeApi) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !wanted(&self.api).await {
            assert!(tokio::time::Instant::now() < deadline, "never {what}; writes: {:#?}", self.api.writes());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn secrets(&self) -> Vec<String> {
        let list = self.api.list(&resources::SECRETS, issue::NAMESPACE).await.unwrap();
        list.items.iter().map(|s| s.name().to_owned()).collect()
    }

    fn status(&self) -> Value {
        let ingress = self.api.tree(&resources::INGRESSES, "shop", "web").unwrap();
        ingress.at(&["status", "loadBalancer", "ingress"]).cloned().unwrap_or_default()
    }
}

fn node(name: &str, ip: &str, ready: &str) -> String {
    format!(
        "---
kind: Node
metadata: {{ name: {name} }}
status:
  addresses: [ {{ type: Hostname, address: {name} }}, {{ type: InternalIP, address: {ip} }} ]
  conditions: [ {{ type: Ready, status: '{ready}' }} ]
"
    )
}

#[tokio::test]
async fn our_class_is_made_once_and_is_the_default_unless_there_is_one() {
    let cluster = Cluster::new("").await;
    cluster.until("a class", async |api| api.tree(&resources::INGRESS_CLASSES, "", "knarr").is_some()).await;
    let class = cluster.api.tree(&resources::INGRESS_CLASSES, "", "knarr").unwrap();
    assert_eq!(class.str_at(&["spec", "controller"]), "knarr.io/ingress");
    let default = ["metadata", "annotations", "ingressclass.kubernetes.io/is-default-class"];
    assert_eq!(class.str_at(&default), "true");

    let other = "
kind: IngressClass
metadata: { name: nginx, annotations: { ingressclass.kubernetes.io/is-default-class: 'true' } }
spec: { controller: k8s.io/ingress-nginx }";
    let cluster = Cluster::new(other).await;
    cluster.until("a class", async |api| api.tree(&resources::INGRESS_CLASSES, "", "knarr").is_some()).await;
    let class = cluster.api.tree(&resources::INGRESS_CLASSES, "", "knarr").unwrap();
    assert_eq!(class.str_at(&default), "");
}

#[tokio::test]
async fn the_status_names_the_nodes_that_work() {
    let manifest = site("shop.test", "web")
        + &node("a", "10.0.0.2", "True")
        + &node("b", "10.0.0.1", "True")
        + &node("c", "10.0.0.3", "False");
    let cluster = Cluster::new(&manifest).await;
    let both = knarr_api::value!([{ "ip": "10.0.0.1" }, { "ip": "10.0.0.2" }]);
    cluster.until("both", async |_| cluster.status() == both).await;
    let writes = || cluster.api.writes().iter().filter(|w| w.starts_with("patch ingresses/status")).count();
    assert_eq!(writes(), 1);
    apply(&cluster.api, &node("b", "10.0.0.1", "Unknown")).await;
    let one = knarr_api::value!([{ "ip": "10.0.0.2" }]);
    cluster.until("one", async |_| cluster.status() == one).await;
    // With no node left the last word stays.
    apply(&cluster.api, &node("a", "10.0.0.2", "Unknown")).await;
    apply(&cluster.api, &node("d", "10.0.0.9", "Unknown")).await;
    cluster
        .until("the new node", async |_| {
            cluster.ca.signed.lock().unwrap().iter().any(|hosts| hosts.contains(&"10.0.0.9".to_owned()))
        })
        .await;
    assert_eq!((cluster.status(), writes()), (one, 2));
}

#[tokio::test]
async fn hosts_without_a_certificate_get_one_for_as_long_as_they_need_it() {
    let tls = site("shop.test", "web")
        .replace("rules:", "tls: [ { hosts: [ shop.test, '*.shop.test' ], secretName: own } ]\n  rules:");
    let cluster = Cluster::new(&(tls + &node("a", "10.0.0.2", "True"))).await;
    let all = ["knarr-ingress-local", "knarr-ingress-local-wildcard.shop.test", "knarr-ingress-local.shop.test"];
    cluster.until("three secrets", async |_| cluster.secrets().await == all).await;
    let made = cluster.api.get(&resources::SECRETS, issue::NAMESPACE, all[1]).await.unwrap();
    let made = Certificate::project(&made).unwrap();
    assert!(made.key.is_ok() && made.managed);
    assert_eq!(made.names, ["*.shop.test"]);
    cluster
        .until("an event", async |api| {
            let events = api.list(&resources::EVENTS, "shop").await.unwrap().items;
            events.iter().any(|e| String::from_utf8_lossy(e.json()).contains("SecretNotFound"))
        })
        .await;

    let own = cluster.ca.ca.issue(&Leaf::server("x", ["shop.test", "*.shop.test"]), Timestamp::now()).unwrap();
    let own = crate::support::secret("shop", "own", &own.cert, &own.key);
    cluster.api.create(&resources::SECRETS, "shop", own).await.unwrap();
    cluster.until("only the default", async |_| cluster.secrets().await == all[..1]).await;
    assert_eq!(cluster.ca.signed.lock().unwrap().len(), 3);
    let events = cluster.api.list(&resources::EVENTS, "shop").await.unwrap().items;
    assert_eq!(events.len(), 1, "a problem is told once");
}

#[tokio::test]
async fn a_failed_write_is_tried_again() {
    let api = Arc::new(FakeApi::new());
    api.fail_next("patch", knarr_api::Status::new(knarr_api::Reason::ServiceUnavailable, "away"));
    let tasks = Tasks::new(&Stop::new());
    let client = api.clone() as Arc<dyn Api>;
    let (recorder, _writer) = Recorder::new(client.clone(), "knarr-ingress", "");
    let ca = Arc::new(TestCa::new());
    Office::new(client, recorder, ca.clone()).start(&tasks);
    let cluster = Cluster { api, ca, _tasks: tasks };
    cluster.until("the default certificate", async |_| cluster.secrets().await == ["knarr-ingress-local"]).await;
}

#[test]
fn certificates_are_renewed_before_their_end() {
    let ca = TestCa::new();
    let now = Timestamp::now();
    let make = |hosts: &[&str]| {
        let id = ca.ca.issue(&Leaf::server("x", hosts.iter().copied()), now).unwrap();
        Certificate { managed: true, ..Certificate::parse(id.cert.as_bytes(), id.key.as_bytes()) }
    };
    let (default, shop) = (make(&["knarr-ingress.local"]), make(&["shop.test"]));
    let have: BTreeMap<String, &Certificate> =
        [("knarr-ingress-local".to_owned(), &default), ("knarr-ingress-local.shop.test".to_owned(), &shop)].into();
    let hosts = BTreeSet::from(["shop.test".to_owned()]);
    let plan = |days: i64| issue::plan(&hosts, &BTreeSet::new(), &have, now + SignedDuration::from_hours(24 * days));
    let (steps, again) = plan(0);
    assert_eq!(steps, []);
    let days = again.unwrap().duration_since(now).as_hours() / 24;
    assert!((333..=335).contains(&days), "renewed after {days} days");
    assert_eq!(plan(330).0, []);
    assert_eq!(plan(336).0.len(), 2);
    // Other names: another certificate.
    let addresses = BTreeSet::from(["10.0.0.1".parse().unwrap()]);
    let hosts_wanted = vec!["knarr-ingress.local".to_owned(), "10.0.0.1".to_owned()];
    let wanted = Step::Issue { name: "knarr-ingress-local".to_owned(), hosts: hosts_wanted };
    assert_eq!(issue::plan(&hosts, &addresses, &have, now).0, [wanted]);
    // Nobody needs it: gone. What others made stays.
    let gone = Step::Delete { name: "knarr-ingress-local.shop.test".to_owned() };
    assert_eq!(issue::plan(&BTreeSet::new(), &BTreeSet::new(), &have, now).0, [gone]);
}
