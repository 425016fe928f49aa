//! Many writers at once: groups, conflicts inside a group, answers.

use knarr_store::{CommitErrorKind, Config, Query, Scope, Store, Transaction};
use tokio::task::JoinSet;

use crate::support::{Directory, commit, create, data, delete, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_counter_many_writers_loses_no_step() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config { max_commits: 8, ..Config::default() }).unwrap();
    let c = store.collection("a");
    commit(&store, create(c, "", "counter", "0")).await.unwrap();
    let mut watcher = store.watch(c, Scope::default(), store.revision()).unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        writers.spawn(async move {
            let mut current = store.get(c, "", "counter").unwrap();
            for _ in 0..20 {
                loop {
                    let next = (data(&current).parse::<u64>().unwrap() + 1).to_string();
                    match commit(&store, update(c, current.revision(), "", "counter", &next)).await {
                        Ok(object) => break current = object,
                        Err(error) => match error.kind {
                            CommitErrorKind::Changed(newer) => current = newer,
                            other => panic!("{other}"),
                        },
                    }
                }
            }
        });
    }
    let mut last = store.revision() - 1;
    for n in 1..=320u64 {
        let event = watcher.next().await.unwrap();
        assert_eq!(data(event.object()), n.to_string());
        assert!(event.revision > last);
        last = event.revision;
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    assert_eq!(data(&store.get(c, "", "counter").unwrap()), "320");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_failing_transaction_changes_nothing_for_its_neighbours() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let c = store.collection("a");
    let first = store.commit(Transaction::durable([create(c, "", "x", "1"), create(c, "", "y", "1")]));
    let second = store.commit(Transaction::durable([
        create(c, "", "z", "2"),
        delete(c, "", "x"),
        update(c, 3, "", "y", "2"),
        update(c, 3, "", "y", "3"), // y is at a newer revision by now
    ]));
    let third = store.commit(Transaction::durable([create(c, "", "x", "3")]));
    let fourth = store.commit(Transaction::durable([delete(c, "", "nobody")]));
    let (first, second, third, fourth) = tokio::join!(first, second, third, fourth);
    assert_eq!(first.unwrap().iter().map(|o| o.revision()).collect::<Vec<_>>(), [2, 3]);
    let second = second.unwrap_err();
    assert_eq!(second.index, 3);
    assert!(matches!(second.kind, CommitErrorKind::Changed(_)));
    assert!(matches!(third.unwrap_err().kind, CommitErrorKind::Exists(x) if data(&x) == "1"));
    assert!(matches!(fourth.unwrap_err().kind, CommitErrorKind::Missing));
    let names: Vec<_> = store.list(c, Query::default()).unwrap().items.iter().map(data).collect();
    assert_eq!(names, ["1", "1"]);
    assert_eq!(commit(&store, create(c, "", "z", "4")).await.unwrap().revision(), 4);
    store.close().await.unwrap();
    assert!(matches!(commit(&store, create(c, "", "q", "")).await.unwrap_err().kind, CommitErrorKind::Closed));
    assert!(store.get(c, "", "z").is_some(), "reads go on");
}

#[tokio::test]
async fn objects_made_changed_and_deleted_in_one_transaction_leave_no_row() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let c = store.collection("a");
    let ops = [create(c, "", "x", "1"), update(c, 2, "", "x", "2"), delete(c, "", "x"), create(c, "", "x", "3")];
    store.commit(Transaction::durable(ops)).await.unwrap();
    let copy = directory.copy();
    let after = Store::open(copy.path(), Config::default()).unwrap();
    let items = after.list(after.collection("a"), Query::default()).unwrap().items;
    assert_eq!(items.iter().map(data).collect::<Vec<_>>(), ["3"]);
    after.close().await.unwrap();
    store.close().await.unwrap();
}

/// Every commit here succeeds and is of one collection, so the revisions a watcher sees have no gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn watches_begun_amid_writes_miss_and_repeat_nothing() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config { watch_buffer: 100_000, ..Config::default() }).unwrap();
    let c = store.collection("a");
    let mut tasks = JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0..400 {
                let op = create(c, "", &format!("{writer}-{n}"), "");
                let class = if n % 3 == 0 { Transaction::durable([op]) } else { Transaction::relaxed([op]) };
                store.commit(class).await.unwrap();
            }
        });
    }
    for back in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            while store.revision() < 1500 {
                let list = store.list(c, Query::default()).unwrap();
                assert_eq!(list.items.len() as u64, list.revision - 1, "a list shows all up to its revision");
                let from = list.revision.saturating_sub(back * 5).max(1);
                let mut watcher = store.watch(c, Scope::default(), from).unwrap();
                for revision in from + 1..(from + 60).min(1601) {
                    assert_eq!(watcher.next().await.unwrap().revision, revision);
                    assert!(watcher.progress().is_none_or(|p| p >= revision));
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(store.revision(), 1601);
    store.close().await.unwrap();
}
