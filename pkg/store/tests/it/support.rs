//! What all suites need: directories, objects, short ways to ask.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use knarr_api::Object;
use knarr_store::{Collection, CommitError, Draft, Event, Op, Store, Transaction};

/// A directory of its own, removed with all in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store").join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The files as a power cut would leave them: copied while the store has them open and idle.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for file in std::fs::read_dir(&self.0).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), copy.0.join(file.file_name())).unwrap();
        }
        copy
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn draft(namespace: &str, name: &str, data: &str) -> Draft {
    let json = format!(
        r#"{{"kind":"A","metadata":{{"name":"{name}","namespace":"{namespace}","uid":"u","generation":1}},"data":"{data}"}}"#
    );
    Draft::of(&Object::from_json(json.into()).unwrap()).unwrap()
}

pub(crate) fn create(collection: Collection, namespace: &str, name: &str, data: &str) -> Op {
    Op::Create { collection, draft: draft(namespace, name, data) }
}

pub(crate) fn update(collection: Collection, expect: u64, namespace: &str, name: &str, data: &str) -> Op {
    Op::Update { collection, expect, draft: draft(namespace, name, data) }
}

pub(crate) fn delete(collection: Collection, namespace: &str, name: &str) -> Op {
    Op::Delete { collection, namespace: namespace.into(), name: name.into(), expect: None, last: None }
}

pub(crate) async fn commit(store: &Store, op: Op) -> Result<Object, CommitError> {
    Ok(store.commit(Transaction::durable([op])).await?.remove(0))
}

/// The `data` field that the helpers above write.
pub(crate) fn data(object: &Object) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        data: String,
    }
    object.decode::<Body>().unwrap().data
}

/// One event in a line: `12 +ns/name data`, `~` for a change, `-` for a deletion.
pub(crate) fn line(event: &Arc<Event>) -> String {
    let sign = match (&event.previous, &event.new) {
        (None, Some(_)) => '+',
        (Some(_), Some(_)) => '~',
        _ => '-',
    };
    assert_eq!(event.object().revision(), event.revision);
    format!("{} {sign}{}/{} {}", event.revision, event.namespace(), event.name(), data(event.object()))
}
