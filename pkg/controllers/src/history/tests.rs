use std::time::Duration;

use knarr_api::Meta;
use knarr_client::{fake::FakeApi, resources::STATEFUL_SETS};

use super::*;
use crate::testing::context;

struct World {
    fake: FakeApi,
    history: History,
    tasks: Tasks,
}

async fn world() -> World {
    let fake = FakeApi::new();
    let tasks = Tasks::new(&knarr_daemon::Stop::new());
    let history = History::start(&context(&fake), &tasks, "test", &STATEFUL_SETS, &WorkQueue::new());
    history.synced().await;
    World { fake, history, tasks }
}

impl World {
    /// Writes the set with a template of one image; its key, metadata and fingerprint.
    async fn set(&self, image: &str) -> (Key, Meta, String) {
        let template = value!({ "metadata": { "labels": { "app": "a" } }, "spec": { "image": image } });
        let annotations = value!({ "kubernetes.io/change-cause": image });
        let body =
            value!({ "metadata": { "name": "web", "annotations": annotations }, "spec": { "template": template } });
        let object = match self.fake.create(&STATEFUL_SETS, "n", body.clone()).await {
            Ok(object) => object,
            Err(_) => self.fake.merge(&STATEFUL_SETS, "n", "web", "", body).await.unwrap(),
        };
        let tree: serde_json::Value = object.decode().unwrap();
        (Key::of(&object), object.meta().clone(), fingerprint(&tree["spec"]["template"]))
    }

    async fn settle(&self, image: &str, collisions: i32) -> (String, i64, i32) {
        let (key, meta, template) = self.set(image).await;
        let owner = Owner { key: &key, meta: &meta };
        let selector = LabelSelector::default();
        let known = self.history.of(owner, &selector).await.unwrap();
        let present = self.history.settle(owner, &known, &template, collisions).await.unwrap();
        let number = present.revision.number;
        // The informer shows it before the next step.
        let shown = || self.history.revisions.get(&present.revision.key).is_some_and(|r| r.number == number);
        while !shown() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (present.revision.key.name.to_string(), number, present.collisions)
    }
}

#[tokio::test]
async fn templates_come_and_come_back() {
    let w = world().await;
    let (first, number, _) = w.settle("v1", 0).await;
    assert_eq!(number, 1);
    let tree = w.fake.tree(&CONTROLLER_REVISIONS, "n", &first).unwrap();
    assert_eq!(tree.str_at(&["data", "spec", "template", "$patch"]), "replace");
    assert_eq!(tree.str_at(&["metadata", "labels", "app"]), "a");
    assert_eq!(format!("web-{}", tree.str_at(&["metadata", "labels", HASH_LABEL])), first);
    assert_eq!(tree.str_at(&["metadata", "annotations", "kubernetes.io/change-cause"]), "v1");
    let (second, number, _) = w.settle("v2", 0).await;
    assert_eq!(number, 2);
    assert_ne!(first, second);
    assert_eq!(w.settle("v2", 0).await, (second, 2, 0), "nothing changed");
    assert_eq!(w.settle("v1", 0).await, (first.clone(), 3, 0), "a rollback renumbers");
    let template = w.history.template(&Key::new("n", &first)).await.unwrap();
    assert_eq!(template["spec"]["image"], "v1");
    assert!(template.get("$patch").is_none());
    w.tasks.stop_all(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_taken_name_is_counted_and_avoided() {
    let w = world().await;
    let (key, meta, template) = w.set("v1").await;
    let name = format!("web-{}", short_hash(format!("{template}/0").as_bytes()));
    let other = value!({ "metadata": { "name": name.as_str() }, "data": { "spec": { "template": { "spec": {} } } } });
    w.fake.create(&CONTROLLER_REVISIONS, "n", other).await.unwrap();
    let owner = Owner { key: &key, meta: &meta };
    let present = w.history.settle(owner, &[], &template, 0).await.unwrap();
    assert_eq!(present.collisions, 1);
    assert_ne!(*present.revision.key.name, *name);
    // The same template under a name that is there already is that revision: the informer lags.
    let again = w.history.settle(owner, &[], &template, 1).await.unwrap();
    assert_eq!((again.revision.key.clone(), again.collisions), (present.revision.key.clone(), 1));
    w.tasks.stop_all(Duration::from_secs(1)).await;
}
