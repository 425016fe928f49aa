//! What is understood of image archives.

use expect_test::{Expect, expect};
use knarr_cri::images::Archive;

use crate::busybox::{TempDir, config, docker_archive, oci_archive, sha, tar, write};

/// Names, layers and blobs of the plan, or the error.
#[track_caller]
fn check(archive: &[u8], expected: Expect) {
    let dir = TempDir::new("archive");
    let path = dir.0.join("a.tar");
    write(&path, archive);
    let text = match Archive::read(&path).and_then(|a| a.plan()) {
        Ok(plan) => {
            let mut lines = Vec::new();
            for blob in plan.blobs {
                let kind = blob.descriptor.media_type.rsplit("image.").next().unwrap_or_default().to_owned();
                let labels: Vec<_> = blob.labels.keys().map(|k| k.trim_start_matches("containerd.io/")).collect();
                lines.push(format!("blob {kind} [{}]", labels.join(" ")));
            }
            lines.extend(
                plan.images
                    .iter()
                    .map(|i| format!("image {} -> {}, {} layers", i.name, i.target.media_type, i.layers.len())),
            );
            lines.join("\n")
        }
        Err(e) => format!("error: {e}"),
    };
    expected.assert_eq(&text);
}

#[test]
fn docker_save() {
    let (a, b) = (tar(&[("a", b"1")]), tar(&[("b", b"2")]));
    check(
        &docker_archive(&["app:1", "host:5000/app"], &[&a, &b, &a]),
        expect![[r#"
            blob layer.v1.tar [uncompressed]
            blob layer.v1.tar [uncompressed]
            blob config.v1+json []
            blob manifest.v1+json [gc.ref.content.config gc.ref.content.l.0 gc.ref.content.l.1 gc.ref.content.l.2]
            image docker.io/library/app:1 -> application/vnd.oci.image.manifest.v1+json, 3 layers
            image host:5000/app:latest -> application/vnd.oci.image.manifest.v1+json, 3 layers"#]],
    );
}

#[test]
fn oci_layout_with_the_blobs_of_one_machine() {
    let layer = tar(&[("a", b"1")]);
    check(
        &oci_archive("docker.io/library/app:1", &[&layer]),
        expect![[r#"
            blob layer.v1.tar [uncompressed]
            blob config.v1+json []
            blob manifest.v1+json [gc.ref.content.config gc.ref.content.l.0]
            blob index.v1+json [gc.ref.content.m.1]
            image docker.io/library/app:1 -> application/vnd.oci.image.index.v1+json, 1 layers"#]],
    );
}

#[test]
fn faults_are_named() {
    check(&tar(&[("hello", b"")]), expect!["error: neither index.json nor manifest.json: not an image archive"]);
    check(b"no tar file, not even nearly", expect!["error: read the archive"]);
    check(&tar(&[("manifest.json", b"{")]), expect!["error: parse manifest.json"]);
    let absent = br#"[{"Config":"c.json","RepoTags":["a"],"Layers":[]}]"#;
    check(&tar(&[("manifest.json", absent)]), expect!["error: c.json is missing"]);
    let config = config(&[b"x"]);
    let few = format!(r#"[{{"Config":"{0}.json","RepoTags":["a"],"Layers":[]}}]"#, sha(&config));
    let name = format!("{}.json", sha(&config));
    let archive = tar(&[("manifest.json", few.as_bytes()), (&name, &config)]);
    let dir = TempDir::new("archive");
    write(&dir.0.join("a.tar"), &archive);
    let error = Archive::read(&dir.0.join("a.tar")).and_then(|a| a.plan()).expect_err("one layer is named, none held");
    assert!(error.to_string().ends_with("1 layers named, 0 held"), "{error}");
}
