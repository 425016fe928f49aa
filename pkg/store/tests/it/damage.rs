//! Files that must not be opened, or only by one.

use std::{fs, path::Path};

use knarr_store::{Config, OpenError, Query, Store};

use crate::support::{Directory, commit, create, data};

/// Sixty objects of several sizes, closed in order.
async fn filled() -> Directory {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    for n in 0..60 {
        commit(&store, create(store.collection("a"), "ns", &n.to_string(), &"x".repeat(n * 100))).await.unwrap();
    }
    store.close().await.unwrap();
    directory
}

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Config::default())
}

#[tokio::test]
async fn any_destroyed_page_is_refused_or_harmless() {
    let directory = filled().await;
    let file = directory.path().join("state.db");
    let good = fs::read(&file).unwrap();
    let mut refused = 0;
    for page in 0..good.len() / 4096 {
        let mut bad = good.clone();
        bad[page * 4096..(page + 1) * 4096].fill(0x5a);
        fs::write(&file, &bad).unwrap();
        match open(directory.path()) {
            Ok(store) => {
                let page = store.list(store.collection("a"), Query::default()).unwrap();
                assert_eq!(page.items.len(), 60);
                assert!(page.items.iter().all(|o| data(o).len() == o.name().parse::<usize>().unwrap() * 100));
                store.close().await.unwrap();
            }
            Err(OpenError::Corrupt { .. }) => {
                refused += 1;
                assert!(fs::read(&file).unwrap() == bad, "a refused file is left as it was");
            }
            Err(other) => panic!("page {page}: {other}"),
        }
    }
    assert!(refused > 20, "{refused}");
}

#[tokio::test]
async fn a_short_file_is_refused() {
    let directory = filled().await;
    let file = directory.path().join("state.db");
    let good = fs::read(&file).unwrap();
    for length in [2, 100, 4096, good.len() / 2, good.len() - 4096] {
        fs::write(&file, &good[..length]).unwrap();
        let Err(error) = open(directory.path()) else { panic!("{length} bytes were opened") };
        assert!(matches!(error, OpenError::Corrupt { .. }), "{length}: {error}");
        assert!(error.to_string().contains("put a snapshot in"), "{error}");
    }
}

#[tokio::test]
async fn strangers_and_newer_formats_are_refused() {
    let directory = filled().await;
    let file = directory.path().join("state.db");
    let good = fs::read(&file).unwrap();
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&7u32.to_be_bytes()); // user_version in SQLite's header
    fs::write(&file, &newer).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::Newer { found: 7, known: 1, .. })));
    let mut stranger = good;
    stranger[68..72].fill(0); // application_id
    fs::write(&file, &stranger).unwrap();
    let error = open(directory.path()).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let directory = Directory::new();
    let store = open(directory.path()).unwrap();
    assert!(matches!(open(directory.path()), Err(OpenError::Locked { .. })));
    store.close().await.unwrap();
    open(directory.path()).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_file_in_the_way_is_named() {
    let directory = Directory::new();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(open(&file), Err(OpenError::Directory { path, .. }) if path == file));
}
