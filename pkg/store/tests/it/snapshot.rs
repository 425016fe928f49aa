//! Snapshots and what is opened from them.

use knarr_store::{Config, Query, SnapshotError, Store, Transaction};

use crate::support::{Directory, commit, create, data, update};

#[tokio::test]
async fn a_snapshot_is_a_store_with_everything_in_it() {
    let (directory, target) = (Directory::new(), Directory::new());
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let (c, leases) = (store.collection("a"), store.collection("leases"));
    commit(&store, create(c, "n", "x", "1")).await.unwrap();
    store.commit(Transaction::relaxed([create(leases, "n", "l", "relaxed")])).await.unwrap();
    let file = target.path().join("state.db");
    assert_eq!(store.snapshot_to(&file).await.unwrap(), 3);
    commit(&store, update(c, 2, "n", "x", "later")).await.unwrap();
    assert!(matches!(store.snapshot_to(&file).await, Err(SnapshotError::File { step: "make", .. })));
    store.close().await.unwrap();

    let restored = Store::open(target.path(), Config { floor: 1_000_000, ..Config::default() }).unwrap();
    let (c, leases) = (restored.collection("a"), restored.collection("leases"));
    assert_eq!(restored.revision(), 1_000_000);
    let cut = target.copy();
    let shown = Store::open(cut.path(), Config::default()).unwrap();
    assert_eq!(shown.revision(), 1_000_000, "what reads showed is not taken back");
    shown.close().await.unwrap();
    assert_eq!(data(&restored.get(c, "n", "x").unwrap()), "1");
    assert_eq!(data(&restored.get(leases, "n", "l").unwrap()), "relaxed");
    assert_eq!(commit(&restored, update(c, 2, "n", "x", "new")).await.unwrap().revision(), 1_000_001);
    restored.close().await.unwrap();
    let again = Store::open(target.path(), Config::default()).unwrap();
    assert_eq!(again.revision(), 1_000_001);
    assert_eq!(again.list(again.collection("a"), Query::default()).unwrap().items.len(), 1);
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_failed_snapshot_leaves_nothing() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let missing = directory.path().join("no").join("such");
    assert!(store.snapshot_to(&missing).await.is_err());
    let taken = directory.path().join("lock"); // a file that exists is never replaced
    assert!(store.snapshot_to(&taken).await.is_err());
    let names = std::fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap().file_name());
    assert!(names.into_iter().all(|n| !n.to_string_lossy().ends_with(".part")));
    store.close().await.unwrap();
}
