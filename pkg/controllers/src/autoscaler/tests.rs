use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use knarr_api::{Value, value};
use knarr_client::{
    ApiExt as _,
    fake::FakeApi,
    resources::{DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, POD_METRICS, PODS},
};
use knarr_daemon::{Stop, Tasks};

use super::start;
use crate::{context::rfc3339, testing::context_with};

struct World {
    fake: FakeApi,
    tasks: Tasks,
}

impl World {
    fn new() -> Self {
        let (fake, tasks) = (FakeApi::new(), Tasks::new(&Stop::new()));
        start(&context_with(&fake, vec![DEPLOYMENTS]), &tasks);
        Self { fake, tasks }
    }

    /// A Deployment of so many pods that each ask for 100m; the fake's objects are their own `scale`.
    async fn target(&self, pods: i32) {
        let deployment = value!({
            "metadata": { "name": "web" },
            "spec": { "replicas": pods },
            "status": { "selector": "app=web" },
        });
        self.fake.create(&DEPLOYMENTS, "n", deployment).await.unwrap();
        let long_ago = rfc3339(Timestamp::now() - SignedDuration::from_hours(1));
        for n in 0..pods {
            let requests = value!({ "requests": { "cpu": "100m" } });
            let ready = value!({ "type": "Ready", "status": "True", "lastTransitionTime": long_ago.as_str() });
            let pod = value!({
                "metadata": { "name": format!("web-{n}"), "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "resources": requests }] },
                "status": { "phase": "Running", "startTime": long_ago.as_str(), "conditions": [ready] },
            });
            self.fake.create(&PODS, "n", pod).await.unwrap();
        }
    }

    async fn uses(&self, pod: &str, cpu: &str) {
        let metrics = value!({
            "metadata": { "name": pod, "labels": { "app": "web" } },
            "timestamp": rfc3339(Timestamp::now()),
            "window": "15s",
            "containers": [{ "name": "main", "usage": { "cpu": cpu } }],
        });
        self.fake.create(&POD_METRICS, "n", metrics).await.unwrap();
    }

    async fn autoscaler(&self, name: &str) {
        let target = value!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
        let goal = value!({ "type": "Utilization", "averageUtilization": 50 });
        let metric = value!({ "type": "Resource", "resource": { "name": "cpu", "target": goal } });
        let spec = value!({ "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 10, "metrics": [metric] });
        let body = value!({ "metadata": { "name": name }, "spec": spec });
        self.fake.create(&HORIZONTAL_POD_AUTOSCALERS, "n", body).await.unwrap();
    }

    /// The status of an autoscaler once it has a condition with this reason.
    async fn says(&self, name: &str, reason: &str) -> Value {
        for _ in 0..2000 {
            let tree = self.fake.tree(&HORIZONTAL_POD_AUTOSCALERS, "n", name).unwrap();
            let conditions = tree.at(&["status"]).map(|s| s.list_at(&["conditions"]).to_vec()).unwrap_or_default();
            if conditions.iter().any(|c| c.str_at(&["reason"]) == reason) {
                return tree.at(&["status"]).cloned().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("{name} never said {reason}: {:?}", self.fake.tree(&HORIZONTAL_POD_AUTOSCALERS, "n", name));
    }

    async fn end(self) {
        self.tasks.stop_all(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_busy_target_grows() {
    let w = World::new();
    w.target(2).await;
    w.uses("web-0", "90m").await;
    w.uses("web-1", "110m").await;
    w.autoscaler("busy").await;
    let status = w.says("busy", "SucceededRescale").await;
    // Twice what it should be: twice as many.
    assert_eq!(w.fake.tree(&DEPLOYMENTS, "n", "web").unwrap().at(&["spec", "replicas"]), Some(&Value::Int(4)));
    assert_eq!(
        (status.get("currentReplicas"), status.get("desiredReplicas")),
        (Some(&Value::Int(2)), Some(&Value::Int(4)))
    );
    let current = status.list_at(&["currentMetrics"])[0].at(&["resource", "current"]).cloned().unwrap();
    assert_eq!(current, value!({ "averageValue": "100m", "averageUtilization": 100 }));
    assert!(!status.str_at(&["lastScaleTime"]).is_empty());
    w.end().await;
}

#[tokio::test]
async fn two_must_not_pull_at_the_same_pods() {
    let w = World::new();
    w.target(1).await;
    w.uses("web-0", "50m").await;
    w.autoscaler("one").await;
    w.says("one", "ReadyForNewScale").await;
    w.autoscaler("two").await;
    let status = w.says("two", "AmbiguousSelector").await;
    let told = status.list_at(&["conditions"]).iter().map(|c| c.str_at(&["message"])).collect::<String>();
    assert!(told.contains("{one n} {two n}") || told.contains("{two n} {one n}"), "{told}");
    w.end().await;
}

#[tokio::test]
async fn a_target_that_is_not_there() {
    let w = World::new();
    w.autoscaler("lost").await;
    w.says("lost", "FailedGetScale").await;
    w.end().await;
}
