//! Relaxed writes: when they reach the disk, and what an unclean stop forgets.

use std::time::{Duration, Instant};

use knarr_store::{Config, OpenError, Query, Store, Transaction};

use crate::support::{Directory, commit, create, data, delete, update};

const LONG: Duration = Duration::from_secs(3600);

fn config() -> Config {
    Config { relaxed_ride: LONG, relaxed_flush: LONG, relaxed_max: 100, ..Config::default() }
}

async fn relaxed(store: &Store, name: &str) {
    let op = create(store.collection("leases"), "", name, "");
    store.commit(Transaction::relaxed([op])).await.unwrap();
}

/// What a power cut now would leave, and at which revision numbering would go on.
async fn left(directory: &Directory) -> Result<(Vec<String>, u64), OpenError> {
    let copy = directory.copy();
    let store = Store::open(copy.path(), Config::default())?;
    let items = store.list(store.collection("leases"), Query::default()).unwrap().items;
    let left = (items.iter().map(|o| o.name().to_owned()).collect(), store.revision());
    store.close().await.unwrap();
    Ok(left)
}

#[tokio::test]
async fn they_wait_in_memory_but_their_revisions_are_never_given_again() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config { revision_block: 3, ..config() }).unwrap();
    for n in 0..10 {
        relaxed(&store, &n.to_string()).await;
        let (_, revision) = left(&directory).await.unwrap();
        assert!(revision >= store.revision());
    }
    let (names, _) = left(&directory).await.unwrap();
    // Those that needed a new block went to the disk and took the waiting along.
    assert!(!names.is_empty() && names.len() < 10, "{names:?}");
    store.close().await.unwrap();
    assert_eq!(left(&directory).await.unwrap().0.len(), 10);
}

#[tokio::test]
async fn a_durable_commit_takes_the_ripe_along() {
    for (ride, expected) in [(LONG, 1), (Duration::ZERO, 3)] {
        let directory = Directory::new();
        let store = Store::open(directory.path(), Config { relaxed_ride: ride, ..config() }).unwrap();
        for name in ["first takes a block of revisions", "a", "b"] {
            relaxed(&store, name).await;
        }
        commit(&store, create(store.collection("pods"), "", "p", "")).await.unwrap();
        assert_eq!(left(&directory).await.unwrap().0.len(), expected);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_durable_change_replaces_a_waiting_one() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), config()).unwrap();
    let leases = store.collection("leases");
    relaxed(&store, "first takes a block of revisions").await;
    relaxed(&store, "a").await;
    let object = commit(&store, update(leases, 3, "", "a", "durable")).await.unwrap();
    store.close().await.unwrap(); // flushes what waits: it must not bring the old state back
    let store = Store::open(directory.path(), config()).unwrap();
    let found = store.get(store.collection("leases"), "", "a").unwrap();
    assert_eq!((data(&found).as_str(), found.revision()), ("durable", object.revision()));
    store.close().await.unwrap();
}

#[tokio::test]
async fn they_are_flushed_when_many_or_old() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config { relaxed_max: 4, ..config() }).unwrap();
    for n in 0..6 {
        relaxed(&store, &n.to_string()).await;
    }
    assert_eq!(left(&directory).await.unwrap().0.len(), 6);
    store.close().await.unwrap();

    let directory = Directory::new();
    let soon = Config { relaxed_flush: Duration::from_millis(1), ..config() };
    let store = Store::open(directory.path(), soon).unwrap();
    relaxed(&store, "first takes a block of revisions").await;
    relaxed(&store, "a").await;
    let deadline = Instant::now() + Duration::from_secs(20);
    // Copied while it is written, the log may end anywhere: then the last transaction is not there yet.
    while left(&directory).await.map_or(0, |l| l.0.len()) < 2 {
        assert!(Instant::now() < deadline, "not flushed");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_waiting_deletion_goes_with_the_object_that_takes_its_name() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), config()).unwrap();
    let leases = store.collection("leases");
    commit(&store, create(leases, "", "a", "old")).await.unwrap();
    store.commit(Transaction::relaxed([delete(leases, "", "a")])).await.unwrap();
    commit(&store, create(leases, "", "a", "new")).await.unwrap();
    assert_eq!(left(&directory).await.unwrap().0, ["a"]);
    store.close().await.unwrap();
}
