//! SIGKILL in the middle of writing: what was acknowledged is there afterwards.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use knarr_store::{Config, Store, Transaction};
use tokio::task::JoinSet;

use crate::support::{Directory, create, data, delete, update};

const DIRECTORY: &str = "KNARR_STORE_CRASH_DIRECTORY";
const WRITERS: usize = 8;

#[tokio::test]
async fn acknowledged_writes_survive_sigkill() {
    let directory = Directory::new();
    let mut newest = 1;
    for round in 0..4 {
        let acknowledged = run_and_kill(directory.path(), 40 + round * 170);
        let store = Store::open(directory.path(), Config::default()).unwrap();
        let c = store.collection("a");
        for (name, (revision, step)) in &acknowledged {
            assert!(*revision > newest, "{name}: revision {revision} was given before ({newest})");
            // What was under way when the process died may have been committed without an answer: at most one
            // step per writer.
            let found = store.get(c, "", name).map(|o| data(&o).parse::<u64>().unwrap());
            let ok = match (step, found) {
                (Some(acknowledged), Some(found)) => found == *acknowledged || found == acknowledged + 1,
                (Some(acknowledged), None) => acknowledged % 10 == 9,
                (None, Some(found)) => found % 10 == 0,
                (None, None) => true,
            };
            assert!(ok, "{name}: acknowledged {step:?}, found {found:?}");
        }
        newest = acknowledged.values().map(|(revision, _)| *revision).max().unwrap();
        assert!(store.revision() >= newest);
        newest = store.revision();
        store.close().await.unwrap();
    }
}

/// Lets a child write until so many commits are acknowledged. Returns the last per name: revision, and the step or
/// `None` for deleted.
fn run_and_kill(directory: &Path, lines: usize) -> BTreeMap<String, (u64, Option<u64>)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = BTreeMap::new();
    let mut count = 0;
    let mut text = String::new();
    while output.read_line(&mut text).unwrap() > 0 {
        // A line cut off by the kill does not end in '.': it was not said.
        if let Some(ack) = text.strip_prefix("ack ").and_then(|l| l.strip_suffix(".\n")) {
            let words: Vec<_> = ack.split(' ').collect();
            seen.insert(words[0].to_owned(), (words[1].parse().unwrap(), words[2].parse().ok()));
            count += 1;
            if count == lines {
                child.kill().unwrap(); // and read on: what is in the pipe was acknowledged
            }
        }
        text.clear();
    }
    child.wait().unwrap();
    assert!(count >= lines, "the child ended by itself after {count}");
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child that the test above kills"]
async fn child() {
    let directory = std::env::var(DIRECTORY).expect("run by acknowledged_writes_survive_sigkill");
    let store = Store::open(Path::new(&directory), Config::default()).unwrap();
    let c = store.collection("a");
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let name = format!("w{writer}");
            loop {
                let current = store.get(c, "", &name);
                let step = current.as_ref().map(|o| data(o).parse::<u64>().unwrap());
                let (op, said) = match (current, step) {
                    (None, _) => (create(c, "", &name, "0"), "0".to_owned()),
                    (Some(_), Some(s)) if s % 10 == 9 => (delete(c, "", &name), "gone".to_owned()),
                    (Some(o), s) => {
                        let next = (s.unwrap_or(0) + 1).to_string();
                        (update(c, o.revision(), "", &name, &next), next)
                    }
                };
                let done = store.commit(Transaction::durable([op])).await.unwrap();
                let line = format!("ack {name} {} {said}.\n", done[0].revision());
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    writers.join_all().await;
}
