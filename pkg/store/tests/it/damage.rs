//! Files that must not be opened, or only by one.

use std::{fs, path::Path};

use knarr_store::{Config, OpenError, Query, Store};

use crate::support::{Directory, commit, create, data};

/// Sixty objects of several sizes, closed in order.
async fn filled() -> Directory {
    let directory = Directory::new();
    let store = Store::open(directory.path(), Config::default()).unwrap();
    for n in 0..60 {
        commit(&store, create(store.collection("a"), "ns", &n.to_string(), &text(n))).await.unwrap();
    }
    store.close().await.unwrap();
    directory
}

/// A hundred letters for each of `n`, so mixed that packing does not make much less of them.
fn text(n: usize) -> String {
    let mut seed = 36u32;
    let letters = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + u8::try_from(seed >> 26).unwrap())
    });
    letters.map(|c| if c == '\\' { '-' } else { c }).take(n * 100).collect()
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
                assert!(page.items.iter().all(|o| data(o) == text(o.name().parse().unwrap())));
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
    assert!(matches!(open(directory.path()), Err(OpenError::Newer { found: 7, known: 2, .. })));
    let mut stranger = good;
    stranger[68..72].fill(0); // application_id
    fs::write(&file, &stranger).unwrap();
    let error = open(directory.path()).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_of_the_first_format_is_read_and_marked() {
    let directory = Directory::new();
    let store = open(directory.path()).unwrap();
    let put = |store: &Store, name: &str, data: &str| create(store.collection("a"), "ns", name, data);
    commit(&store, put(&store, "short", "as it was then")).await.unwrap();
    store.close().await.unwrap();
    let file = directory.path().join("state.db");
    let version = || fs::read(&file).unwrap()[60..64].to_vec();
    let mut older = fs::read(&file).unwrap();
    older[60..64].copy_from_slice(&1u32.to_be_bytes());
    fs::write(&file, &older).unwrap();
    let store = open(directory.path()).unwrap();
    commit(&store, put(&store, "long", &"as it is now".repeat(500))).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(version(), 2u32.to_be_bytes());
    let store = open(directory.path()).unwrap();
    let page = store.list(store.collection("a"), Query::default()).unwrap();
    let read: Vec<String> = page.items.iter().map(data).collect();
    assert_eq!(read, ["as it is now".repeat(500), "as it was then".to_owned()]);
    store.close().await.unwrap();
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
