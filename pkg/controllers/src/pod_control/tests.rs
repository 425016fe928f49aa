use knarr_api::{Meta, value};
use serde_json::json;

use super::*;
use crate::testing::context;
use knarr_client::{fake::FakeApi, resources::REPLICA_SETS};

fn world() -> (FakeApi, Arc<PodControl>) {
    let fake = FakeApi::new();
    let cx = context(&fake);
    (fake, PodControl::with_finalizer(&cx, &REPLICA_SETS, "example.com/held"))
}

async fn pod(fake: &FakeApi, name: &str, metadata: serde_json::Value) -> Arc<Pod> {
    let mut body = value!({ "metadata": to_value(&metadata).unwrap() });
    body.set(&["metadata", "name"], name);
    Arc::new(Pod::project(&fake.create(&PODS, "n", body).await.unwrap()).unwrap())
}

#[tokio::test]
async fn orphans_are_adopted_and_strangers_released() {
    let (fake, control) = world();
    let set = fake.create(&REPLICA_SETS, "n", value!({ "metadata": { "name": "s" } })).await.unwrap();
    let key = Key::of(&set);
    let owner = Owner { key: &key, meta: set.meta() };
    let mine = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "s", "uid": &*set.meta().uid, "controller": true}]);
    let other = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "other"}]);
    let pods = vec![
        pod(&fake, "orphan", json!({"labels": {"a": "b"}, "ownerReferences": other})).await,
        pod(&fake, "kept", json!({"labels": {"a": "b"}, "ownerReferences": mine})).await,
        pod(
            &fake,
            "stranger",
            json!({"labels": {"a": "c"}, "ownerReferences": mine, "finalizers": ["example.com/held"]}),
        )
        .await,
        pod(&fake, "unrelated", json!({"labels": {"a": "c"}})).await,
    ];
    let claimed = control.claim(owner, pods, |p| p.meta.label("a") == Some("b")).await.unwrap();
    let names: Vec<&str> = claimed.iter().map(|p| &*p.meta.name).collect();
    assert_eq!(names, ["orphan", "kept"]);
    let owners = |name: &str| {
        let tree = fake.tree(&PODS, "n", name).unwrap();
        tree.list_at(&["metadata", "ownerReferences"])
            .iter()
            .map(|o| o.str_at(&["name"]).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(owners("orphan"), ["c", "s"], "other owners stay");
    assert_eq!(owners("stranger"), [""; 0]);
    assert_eq!(fake.tree(&PODS, "n", "orphan").unwrap().list_at(&["metadata", "finalizers"]).len(), 1);
}

#[tokio::test]
async fn an_owner_that_is_gone_adopts_nothing() {
    let (fake, control) = world();
    let set = fake.create(&REPLICA_SETS, "n", value!({ "metadata": { "name": "s", "uid": "new" } })).await.unwrap();
    let key = Key::of(&set);
    let before = Meta { uid: "old".into(), ..set.meta().clone() };
    let orphan = pod(&fake, "orphan", json!({})).await;
    assert!(control.claim(Owner { key: &key, meta: &before }, [orphan], |_: &Pod| true).await.is_err());
    assert_eq!(fake.writes(), ["create replicasets n/", "create pods n/"]);
}
