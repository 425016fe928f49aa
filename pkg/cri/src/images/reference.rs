//! Image names as people write them → as containerd stores them.

/// The full name: `busybox` is `docker.io/library/busybox:latest`. Nothing if it is no image name.
pub fn normalize(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > 512 || name.bytes().any(|b| b.is_ascii_whitespace() || !b.is_ascii_graphic()) {
        return None;
    }
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest.to_owned()),
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    };
    let (domain, path) = match domain {
        "index.docker.io" => ("docker.io", path),
        domain => (domain, path),
    };
    let path = if domain == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path };
    let last = path.rsplit('/').next().unwrap_or_default();
    let repository = last.split(['@', ':']).next().unwrap_or_default();
    if repository.is_empty() || path.split('/').any(str::is_empty) {
        return None;
    }
    let tagged = last.contains(':') || path.contains('@');
    Some(if tagged { format!("{domain}/{path}") } else { format!("{domain}/{path}:latest") })
}

fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        for (name, full) in [
            ("busybox", Some("docker.io/library/busybox:latest")),
            ("busybox:1.36", Some("docker.io/library/busybox:1.36")),
            ("me/app", Some("docker.io/me/app:latest")),
            ("docker.io/busybox", Some("docker.io/library/busybox:latest")),
            ("index.docker.io/me/app:1", Some("docker.io/me/app:1")),
            ("localhost/app", Some("localhost/app:latest")),
            ("host:5000/a/b:c", Some("host:5000/a/b:c")),
            ("knarr.local/pause:1", Some("knarr.local/pause:1")),
            ("a.b/c@sha256:00", Some("a.b/c@sha256:00")),
            ("", None),
            ("a b", None),
            ("a.b/", None),
            ("a.b/:x", None),
        ] {
            assert_eq!(normalize(name).as_deref(), full, "{name}");
        }
    }
}
