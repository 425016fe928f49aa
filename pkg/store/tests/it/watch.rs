//! Watches: scopes, replay, being cut off, ends.

use knarr_store::{Config, HistoryError, Op, Scope, Store, Transaction, WatchEnd, Watcher};

use crate::support::{Directory, commit, create, data, delete, draft, line, update};

fn take(watcher: &mut Watcher) -> Vec<String> {
    std::iter::from_fn(|| watcher.try_next().unwrap()).map(|e| line(&e)).collect()
}

fn scope(namespace: Option<&str>, name: Option<&str>, node: Option<&str>) -> Scope {
    Scope { namespace: namespace.map(Into::into), name: name.map(Into::into), node: node.map(Into::into) }
}

#[tokio::test]
async fn scopes_get_what_touches_them_before_or_after() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let (pods, other) = (store.collection("pods"), store.collection("other"));
    let start = store.revision();
    let watch = |scope| store.watch(pods, scope, start).unwrap();
    let mut all = watch(scope(None, None, None));
    let mut in_a = watch(scope(Some("a"), None, None));
    let mut named_x = watch(scope(None, Some("x"), None));
    let mut b_x = watch(scope(Some("b"), Some("x"), None));
    let mut on_1 = watch(scope(None, None, Some("n1")));
    let mut on_1_in_b = watch(scope(Some("b"), None, Some("n1")));

    let on = |namespace: &str, name: &str, node: &str| draft(namespace, name, node).node(node);
    let ops = [
        Op::Create { collection: pods, draft: on("a", "x", "") }, // start + 1
        Op::Create { collection: other, draft: on("a", "x", "n1") }, // 2
        Op::Update { collection: pods, expect: start + 1, draft: on("a", "x", "n1") }, // 3
        Op::Create { collection: pods, draft: on("b", "x", "n1") }, // 4
        Op::Update { collection: pods, expect: start + 3, draft: on("a", "x", "n2") }, // 5
        Op::Create { collection: pods, draft: on("b", "y", "n2") }, // 6
        delete(pods, "b", "x"),                                   // 7
    ];
    store.commit(Transaction::durable(ops)).await.unwrap();
    assert_eq!(start, 1);
    assert_eq!(take(&mut all), ["2 +a/x ", "4 ~a/x n1", "5 +b/x n1", "6 ~a/x n2", "7 +b/y n2", "8 -b/x n1"]);
    assert_eq!(take(&mut in_a), ["2 +a/x ", "4 ~a/x n1", "6 ~a/x n2"]);
    assert_eq!(take(&mut named_x), ["2 +a/x ", "4 ~a/x n1", "5 +b/x n1", "6 ~a/x n2", "8 -b/x n1"]);
    assert_eq!(take(&mut b_x), ["5 +b/x n1", "8 -b/x n1"]);
    assert_eq!(take(&mut on_1), ["4 ~a/x n1", "5 +b/x n1", "6 ~a/x n2", "8 -b/x n1"]);
    assert_eq!(take(&mut on_1_in_b), ["5 +b/x n1", "8 -b/x n1"]);
    // the same from history
    assert_eq!(take(&mut watch(scope(None, None, Some("n1")))), ["4 ~a/x n1", "5 +b/x n1", "6 ~a/x n2", "8 -b/x n1"]);
    assert_eq!(store.stats().watchers, 6);
    drop((all, in_a, named_x, b_x, on_1, on_1_in_b));
    assert_eq!(store.stats().watchers, 0);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_node_survives_a_restart() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let pods = store.collection("pods");
    commit(&store, Op::Create { collection: pods, draft: draft("a", "x", "").node("n1") }).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let pods = store.collection("pods");
    let mut watcher = store.watch(pods, scope(None, None, Some("n1")), store.revision()).unwrap();
    commit(&store, delete(pods, "a", "x")).await.unwrap();
    assert_eq!(take(&mut watcher), ["3 -a/x "]);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_slow_watcher_gets_its_buffer_then_is_told() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config { watch_buffer: 3, ..Config::default() }).unwrap();
    let c = store.collection("a");
    let mut slow = store.watch(c, Scope::default(), 1).unwrap();
    let mut quick = store.watch(c, Scope::default(), 1).unwrap();
    for n in 0..5 {
        commit(&store, create(c, "", &n.to_string(), "")).await.unwrap();
        assert_eq!(quick.next().await.unwrap().revision, n + 2);
    }
    for revision in 2..5 {
        assert_eq!(slow.next().await.unwrap().revision, revision);
    }
    assert_eq!(slow.progress(), None, "a bookmark would hide what it missed");
    assert_eq!(slow.next().await.unwrap_err(), WatchEnd::Lagged);
    assert_eq!(quick.progress(), Some(6));
    assert_eq!((store.stats().lagged, store.stats().watchers), (1, 1));
    let mut again = store.watch(c, Scope::default(), 4).unwrap();
    assert_eq!(take(&mut again), ["5 +/3 ", "6 +/4 "]);
    store.close().await.unwrap();
    assert_eq!(quick.next().await.unwrap_err(), WatchEnd::Closed);
    let mut late = store.watch(c, Scope::default(), 6).unwrap();
    assert_eq!(late.next().await.unwrap_err(), WatchEnd::Closed);
}

#[tokio::test]
async fn the_future_and_the_forgotten_are_refused() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config { max_events: 2, ..Config::default() }).unwrap();
    let (c, quiet) = (store.collection("a"), store.collection("quiet"));
    for n in 0..4 {
        commit(&store, create(c, "", &n.to_string(), "")).await.unwrap();
    }
    let refused = |c, from| store.watch(c, Scope::default(), from).map(drop).unwrap_err();
    assert_eq!(refused(c, 6), HistoryError::Future { asked: 6, newest: 5 });
    assert_eq!(refused(c, 2), HistoryError::Expired { asked: 2, oldest: 3 });
    // One history for all: what is too old does not depend on how busy a collection is.
    assert_eq!(refused(quiet, 2), HistoryError::Expired { asked: 2, oldest: 3 });
    assert!(store.watch(c, Scope::default(), 3).is_ok());
    store.close().await.unwrap();
}

#[tokio::test]
async fn an_event_shares_its_objects_with_the_map() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let c = store.collection("a");
    let mut watcher = store.watch(c, Scope::default(), 1).unwrap();
    let first = commit(&store, create(c, "", "x", "1")).await.unwrap();
    let second = commit(&store, update(c, 2, "", "x", "2")).await.unwrap();
    let last = Op::Delete {
        collection: c,
        namespace: "".into(),
        name: "x".into(),
        expect: Some(3),
        last: Some(draft("", "x", "bye")),
    };
    assert!(store.get(c, "", "x").unwrap().same(&second));
    let gone = commit(&store, last).await.unwrap();
    assert!(watcher.next().await.unwrap().new.as_ref().unwrap().same(&first));
    let event = watcher.next().await.unwrap();
    assert!(event.previous.as_ref().unwrap().same(&first) && event.new.as_ref().unwrap().same(&second));
    let event = watcher.next().await.unwrap();
    assert!(event.previous.as_ref().unwrap().same(&second) && event.new.is_none());
    assert!(event.object().same(&gone));
    assert_eq!((gone.revision(), data(&gone).as_str()), (4, "bye"));
    assert!(store.get(c, "", "x").is_none());
    store.close().await.unwrap();
}
