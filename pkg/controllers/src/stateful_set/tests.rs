use std::time::Duration;

use knarr_api::{Value, value};
use knarr_client::{
    ApiExt as _,
    fake::FakeApi,
    resources::{CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS},
};
use knarr_daemon::{Stop, Tasks};

use super::start;
use crate::testing::context;

struct World {
    fake: FakeApi,
    tasks: Tasks,
}

impl World {
    fn new() -> Self {
        let (fake, tasks) = (FakeApi::new(), Tasks::new(&Stop::new()));
        start(&context(&fake), &tasks);
        Self { fake, tasks }
    }

    async fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        for _ in 0..2000 {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("there is no {what}; written was {:#?}", self.fake.writes());
    }

    async fn pod(&self, name: &str) -> Value {
        self.until(name, || self.fake.tree(&PODS, "n", name)).await
    }

    async fn becomes_ready(&self, name: &str) {
        let ready = value!({ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let status = value!({ "status": { "phase": "Running", "conditions": [ready] } });
        self.fake.merge(&PODS, "n", name, "status", status).await.unwrap();
    }

    async fn counts(&self, counter: &str, want: i64) {
        let found =
            || self.fake.tree(&STATEFUL_SETS, "n", "web")?.at(&["status", counter])?.as_i64().filter(|n| *n == want);
        self.until(&format!("{counter} {want}"), found).await;
    }
}

fn set(image: &str) -> Value {
    let template = value!({ "metadata": { "labels": { "app": "web" } }, "spec": { "image": image } });
    let claim = value!({ "metadata": { "name": "data" }, "spec": { "storageClassName": "fast" } });
    value!({
        "metadata": { "name": "web", "generation": 1 },
        "spec": {
            "replicas": 2,
            "serviceName": "svc",
            "selector": { "matchLabels": { "app": "web" } },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "volumeClaimTemplates": [claim],
            "template": template,
        },
    })
}

#[tokio::test]
async fn a_set_comes_up_is_updated_and_shrinks() {
    let w = World::new();
    w.fake.create(&STATEFUL_SETS, "n", set("v1")).await.unwrap();
    let first = w.pod("web-0").await;
    assert_eq!(first.str_at(&["spec", "hostname"]), "web-0");
    assert_eq!(first.str_at(&["spec", "subdomain"]), "svc");
    assert_eq!(first.str_at(&["metadata", "labels", "apps.kubernetes.io/pod-index"]), "0");
    let claim = w.fake.tree(&PERSISTENT_VOLUME_CLAIMS, "n", "data-web-0").unwrap();
    assert_eq!(claim.str_at(&["metadata", "labels", "app"]), "web");
    assert_eq!(claim.str_at(&["spec", "storageClassName"]), "fast");
    let revision = first.str_at(&["metadata", "labels", "controller-revision-hash"]).to_owned();
    assert!(w.fake.tree(&CONTROLLER_REVISIONS, "n", &revision).is_some());
    // The second waits for the first.
    w.counts("replicas", 1).await;
    assert!(w.fake.tree(&PODS, "n", "web-1").is_none());
    w.becomes_ready("web-0").await;
    w.pod("web-1").await;
    w.becomes_ready("web-1").await;
    w.counts("readyReplicas", 2).await;
    // A new template: the last is replaced first.
    w.fake.merge(&STATEFUL_SETS, "n", "web", "", set("v2")).await.unwrap();
    let image = |name: &'static str| {
        let fake = w.fake.clone();
        move || fake.tree(&PODS, "n", name).filter(|p| p.str_at(&["spec", "image"]) == "v2")
    };
    w.until("web-1 of the new template", image("web-1")).await;
    assert_eq!(w.fake.tree(&PODS, "n", "web-0").unwrap().str_at(&["spec", "image"]), "v1");
    w.becomes_ready("web-1").await;
    w.until("web-0 of the new template", image("web-0")).await;
    w.becomes_ready("web-0").await;
    w.counts("updatedReplicas", 2).await;
    w.fake.merge(&STATEFUL_SETS, "n", "web", "", value!({ "spec": { "replicas": 1 } })).await.unwrap();
    w.until("end of web-1", || w.fake.tree(&PODS, "n", "web-1").is_none().then_some(())).await;
    assert!(w.fake.tree(&PODS, "n", "web-0").is_some());
    assert!(
        w.fake.tree(&PERSISTENT_VOLUME_CLAIMS, "n", "data-web-1").is_some(),
        "claims stay unless they are told to go"
    );
    w.tasks.stop_all(Duration::from_secs(1)).await;
}
