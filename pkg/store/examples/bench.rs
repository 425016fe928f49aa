//! Commits per second with 1, 16 and 64 writers beside what one fdatasync costs on the same disk.
//!
//! `cargo run --release -p knarr-store --example bench [directory] [seconds per round]`

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use knarr_api::Object;
use knarr_store::{Class, Config, Draft, Op, Query, Scope, Store, Transaction};
use tokio::task::JoinSet;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(2.0, |s| s.parse().expect("seconds per round is a number"));
    let directory = parent.join(format!("knarr-store-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("make the bench directory");
    let time = Duration::from_secs_f64(seconds);

    println!("fdatasync of 4 KiB appended      {:>9.0} µs", sync_time(&directory.join("raw")).as_secs_f64() * 1e6);
    let store = Store::open(&directory, Config::default()).expect("open the store");
    for writers in [1, 16, 64] {
        for class in [Class::Durable, Class::Relaxed] {
            let (rate, p50, p99) = writers_at(&store, writers, class, time).await;
            println!("{writers:>3} writers, {class:<9?} 1 KiB  {rate:>9.0} /s  p50 {p50:>6.0} µs  p99 {p99:>6.0} µs");
        }
    }
    lists(&store, time);
    fan_out(&store).await;
    store.close().await.expect("close the store");
    let start = Instant::now();
    let store = Store::open(&directory, Config::default()).expect("open the store again");
    let stats = store.stats();
    let objects: usize = stats.objects.iter().map(|(_, n)| n).sum();
    println!("open with {objects} objects: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    store.close().await.expect("close the store");
    std::fs::remove_dir_all(directory).expect("remove the bench directory");
}

/// What a commit cannot be faster than.
fn sync_time(path: &Path) -> Duration {
    let mut file = File::create(path).expect("make a file");
    let rounds = 300;
    let start = Instant::now();
    for _ in 0..rounds {
        file.write_all(&[0x55; 4096]).and_then(|()| file.sync_data()).expect("write and sync");
    }
    start.elapsed() / rounds
}

fn draft(name: &str) -> Draft {
    let json = format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"bench","uid":"5f9c"}},"data":{{"a":"{}"}}}}"#,
        "x".repeat(900)
    );
    let object = Object::from_json(json.into()).expect("the body is an object");
    Draft::of(&object).expect("the body is an object")
}

/// Each writer creates objects for a while. Returns commits per second and latencies in microseconds.
async fn writers_at(store: &Store, writers: usize, class: Class, time: Duration) -> (f64, f64, f64) {
    let collection = store.collection("configmaps");
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for writer in 0..writers {
        let store = store.clone();
        tasks.spawn(async move {
            let mut took = Vec::new();
            while start.elapsed() < time {
                let draft = draft(&format!("{writers}-{writer}-{class:?}-{}", took.len()));
                let begin = Instant::now();
                let ops = vec![Op::Create { collection, draft }];
                store.commit(Transaction { ops, class }).await.expect("commit");
                took.push(begin.elapsed().as_secs_f64() * 1e6);
            }
            took
        });
    }
    let mut took = Vec::new();
    while let Some(end) = tasks.join_next().await {
        took.extend(end.expect("a writer does not panic"));
    }
    let rate = took.len() as f64 / start.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    (rate, took[took.len() / 2], took[took.len() * 99 / 100])
}

fn lists(store: &Store, time: Duration) {
    let collection = store.collection("configmaps");
    let (start, mut lists) = (Instant::now(), 0);
    while start.elapsed() < time {
        let page = store.list(collection, Query { limit: 5000, ..Query::default() }).expect("the newest is there");
        lists += std::hint::black_box(page.items.len());
    }
    println!("list of 5000 objects             {:>9.0} /s", lists as f64 / 5000.0 / start.elapsed().as_secs_f64());
}

/// From commit to the last of a hundred watchers.
async fn fan_out(store: &Store) {
    let collection = store.collection("watched");
    let rounds = 200;
    let mut watchers = JoinSet::new();
    for _ in 0..100 {
        let mut watcher = store.watch(collection, Scope::default(), store.revision()).expect("now is known");
        watchers.spawn(async move {
            let mut seen = Vec::with_capacity(rounds);
            for _ in 0..rounds {
                watcher.next().await.expect("not slower than the bench");
                seen.push(Instant::now());
            }
            seen
        });
    }
    let mut started = Vec::new();
    for n in 0..rounds {
        started.push(Instant::now());
        let ops = [Op::Create { collection, draft: draft(&n.to_string()) }];
        store.commit(Transaction::durable(ops)).await.expect("commit");
    }
    let mut last = started.clone();
    while let Some(seen) = watchers.join_next().await {
        for (last, seen) in last.iter_mut().zip(seen.expect("a watcher does not panic")) {
            *last = seen.max(*last);
        }
    }
    let mut took: Vec<_> = started.iter().zip(&last).map(|(s, l)| (*l - *s).as_secs_f64() * 1e6).collect();
    took.sort_by(f64::total_cmp);
    println!(
        "commit → last of 100 watchers    p50 {:>6.0} µs  p99 {:>6.0} µs",
        took[rounds / 2],
        took[rounds * 99 / 100]
    );
}
