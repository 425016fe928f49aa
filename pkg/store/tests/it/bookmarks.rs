//! What bookmarks may say: a revision behind which nothing of a watch is still to come.

use knarr_store::{Config, Scope, Store};

use crate::support::{Directory, commit, create};

#[tokio::test]
async fn progress_grows_with_other_collections_but_not_past_waiting_events() {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    let (mine, other) = (store.collection("mine"), store.collection("other"));
    let mut watcher = store.watch(mine, Scope::default(), 1).unwrap();
    let mut progress = store.progress();
    assert_eq!(watcher.progress(), Some(1));
    commit(&store, create(other, "", "a", "")).await.unwrap();
    assert_eq!(watcher.progress(), Some(2));
    commit(&store, create(mine, "", "a", "")).await.unwrap();
    commit(&store, create(other, "", "b", "")).await.unwrap();
    assert_eq!(watcher.progress(), None);
    assert_eq!(watcher.next().await.unwrap().revision, 3);
    assert_eq!(watcher.progress(), Some(4));
    assert_eq!(*progress.wait_for(|r| *r >= 4).await.unwrap(), 4);
    let replayed = store.watch(mine, Scope::default(), 1).unwrap();
    assert_eq!(replayed.progress(), None);
    store.close().await.unwrap();
}
