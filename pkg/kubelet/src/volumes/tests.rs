//! Volumes on a real file system (a temporary directory), mounts in memory.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use knarr_client::fake::FakeApi;
use serde_json::json;

use super::{atomic::File, *};
use crate::{
    making::Making,
    pod::{self, testutil::pod},
    testutil::{FakeMounter, TempDir},
    translate::Data,
};

fn files(list: &[(&str, &str)]) -> atomic::Files {
    list.iter().map(|(k, v)| ((*k).to_owned(), File { bytes: v.as_bytes().to_vec(), mode: 0o640, uid: None })).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut out: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|n| !n.starts_with("..2") && !n.starts_with("..1"))
        .collect();
    out.sort();
    out
}

#[test]
fn files_change_all_at_once() {
    let tmp = TempDir::new("atomic");
    let dir = tmp.path();
    atomic::write(dir, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
    assert_eq!(names(dir), ["..data", "a", "sub"]);
    assert_eq!(fs::read_to_string(dir.join("sub/b")).unwrap(), "2");
    assert_eq!(fs::metadata(dir.join("a")).unwrap().permissions().mode() & 0o777, 0o640);
    let first = fs::read_link(dir.join("..data")).unwrap();
    atomic::write(dir, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
    assert_eq!(fs::read_link(dir.join("..data")).unwrap(), first, "nothing changed, nothing is written");
    atomic::write(dir, &files(&[("a", "3"), ("c", "4")]), None).unwrap();
    assert_eq!(names(dir), ["..data", "a", "c"]);
    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "3");
    assert!(!dir.join(first).exists(), "the old generation is removed");
    atomic::write(dir, &files(&[]), None).unwrap();
    assert_eq!(names(dir), ["..data"]);
    for bad in ["../x", "/x", "..x", "a/../../x"] {
        assert!(atomic::write(dir, &files(&[(bad, "")]), None).is_err(), "{bad}");
    }
}

#[test]
fn subpaths_stay_inside() {
    let tmp = TempDir::new("subpath");
    let (volume, place) = (tmp.path().join("v"), tmp.path().join("place/0"));
    fs::create_dir_all(volume.join("real")).unwrap();
    fs::write(volume.join("real/file"), "x").unwrap();
    std::os::unix::fs::symlink("/etc", volume.join("out")).unwrap();
    std::os::unix::fs::symlink("../..", volume.join("real/up")).unwrap();
    std::os::unix::fs::symlink("real", volume.join("in")).unwrap();
    let mounter = FakeMounter::default();
    let bind = |sub: &str, place: &Path| subpath::bind(&volume, sub, place, &mounter);
    assert!(bind("in/file", &place).unwrap().is_file());
    assert!(bind("new/dir", &tmp.path().join("place/1")).unwrap().is_dir());
    assert!(volume.join("new/dir").is_dir(), "missing directories are made");
    for bad in ["out", "out/passwd", "real/up", "../x", "/etc", "out/new"] {
        assert!(bind(bad, &place).is_err(), "{bad}");
    }
}

#[test]
fn host_paths_are_checked_by_type() {
    let tmp = TempDir::new("host");
    let (dir, file) = (tmp.path().join("d"), tmp.path().join("f"));
    assert!(host::check(&dir, "").is_ok() && !dir.exists());
    assert!(host::check(&dir, "Directory").unwrap_err().ends_with("is not a directory"));
    assert!(host::check(&dir, "DirectoryOrCreate").is_ok() && dir.is_dir());
    assert!(host::check(&file, "FileOrCreate").is_ok() && file.is_file());
    assert!(host::check(&file, "Socket").unwrap_err().ends_with("is not a socket file"));
    assert!(host::check(&dir, "File").is_err());
}

struct World {
    volumes: Volumes,
    config: Arc<Config>,
    mounter: Arc<FakeMounter>,
    _tmp: TempDir,
}

fn world() -> World {
    let tmp = TempDir::new("volumes");
    let mut config = Config::new("node", [10, 0, 0, 1].into());
    config.root = tmp.path().to_owned();
    let (config, mounter) = (Arc::new(config), Arc::new(FakeMounter::default()));
    let volumes = Volumes::new(config.clone(), Arc::new(FakeApi::new()), mounter.clone());
    World { volumes, config, mounter, _tmp: tmp }
}

#[tokio::test]
async fn a_projected_volume_with_everything() {
    let w = world();
    let p = pod(json!({"metadata": {"labels": {"a": "b\"c"}}, "spec": {"volumes": [
        {"name": "v", "projected": {"defaultMode": 0o400, "sources": [
            {"configMap": {"name": "cm", "items": [{"key": "k", "path": "dir/k", "mode": 0o444}]}},
            {"secret": {"name": "none", "optional": true}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}},
        ]}},
        {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]}}));
    let data = Data { entries: [("k".to_owned(), b"v".to_vec())].into(), kind: String::new() };
    let sources = Sources { config_maps: [("cm".to_owned(), Some(Arc::new(data)))].into(), ..Sources::default() };
    let machine = Machine::default();
    let facts = Facts { sources: &sources, ips: &[], host_ips: &[], machine: &machine, now: Timestamp::now() };
    let later = |seconds| Facts { now: facts.now + SignedDuration::from_secs(seconds), ..facts };
    let mounted = w.volumes.setup(&p, facts, &Making::default()).await.unwrap();
    let v = &mounted.paths["v"];
    assert_eq!(fs::read_to_string(v.join("dir/k")).unwrap(), "v");
    assert_eq!(fs::read_to_string(v.join("labels")).unwrap(), "a=\"b\\\"c\"");
    assert_eq!(fs::read_to_string(v.join("token")).unwrap(), "token-default-1");
    assert_eq!(fs::metadata(v.join("token")).unwrap().permissions().mode() & 0o777, 0o400);
    let memory = w.config.memory_dir();
    assert_eq!(w.mounter.below(&w.config.root).unwrap(), [memory.clone(), mounted.paths["e"].clone()]);
    assert_eq!(fs::metadata(&memory).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(v.starts_with(&memory));
    assert_eq!(fs::metadata(&mounted.paths["e"]).unwrap().permissions().mode() & 0o777, 0o777);
    // The token is kept until most of its life is over, then renewed.
    let renew = mounted.refresh.unwrap();
    assert!((795..=800).contains(&renew.duration_since(facts.now).as_secs()));
    w.volumes.setup(&p, later(700), &Making::default()).await.unwrap();
    assert_eq!(fs::read_to_string(v.join("token")).unwrap(), "token-default-1");
    w.volumes.setup(&p, later(900), &Making::default()).await.unwrap();
    assert_eq!(fs::read_to_string(v.join("token")).unwrap(), "token-default-2");
    w.volumes.teardown("u-1").await.unwrap();
    assert!(!w.config.pod_dir("u-1").exists() && !v.exists());
    assert_eq!(w.mounter.below(&w.config.root).unwrap(), [memory], "it stays for other pods");
    assert!(w.volumes.pods().is_empty());
}

#[test]
fn what_mirrors_the_api_is_read_only() {
    let p = pod(json!({"spec": {
        "volumes": [{"name": "ours", "secret": {"secretName": "x"}}, {"name": "theirs", "emptyDir": {}}],
        "containers": [{"name": "app", "volumeMounts": [
            {"name": "ours", "mountPath": "/a", "readOnly": false},
            {"name": "theirs", "mountPath": "/b"}, {"name": "theirs", "mountPath": "/c", "readOnly": true},
        ]}],
    }}));
    let paths = ["ours", "theirs"].map(|name| (name.to_owned(), Path::new("/volumes").join(name)));
    let mounted = Mounted { paths: paths.into(), refresh: None };
    let config = Config::new("node", [10, 0, 0, 1].into());
    let container = &pod::spec(&p).containers[0];
    let mounts = container_mounts(&config, &p, container, &mounted, &[], &FakeMounter::default()).unwrap();
    let seen: Vec<_> = mounts.iter().map(|m| (m.container_path.as_str(), m.readonly)).collect();
    assert_eq!(seen, [("/a", true), ("/b", false), ("/c", true)]);
}

#[test]
fn another_file_system_begins_where_it_is_mounted() {
    let tmp = TempDir::new("begins");
    assert!(Kernel.begins_at(Path::new("/proc")));
    assert!(!Kernel.begins_at(tmp.path()) && !Kernel.begins_at(&tmp.path().join("none")));
}

#[tokio::test]
async fn missing_things_are_named() {
    let w = world();
    let machine = Machine::default();
    let sources = Sources::default();
    let facts = Facts { sources: &sources, ips: &[], host_ips: &[], machine: &machine, now: Timestamp::now() };
    let of = |v: serde_json::Value| pod(json!({"spec": {"volumes": [v]}}));
    let table = [
        (json!({"name": "v", "configMap": {"name": "x"}}), "configmap \"x\" not found"),
        (json!({"name": "v", "secret": {"secretName": "x"}}), "secret \"x\" not found"),
        (json!({"name": "v", "nfs": {"server": "s", "path": "/"}}), "the volume's type is not supported on this node"),
    ];
    for (volume, why) in table {
        let e = w.volumes.setup(&of(volume), facts, &Making::default()).await.unwrap_err();
        assert_eq!(e.to_string(), format!("MountVolume.SetUp failed for volume \"v\" : {why}"));
    }
}
