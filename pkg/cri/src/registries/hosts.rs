//! containerd's `certs.d`: a directory per registry with a `hosts.toml`. Rendering is pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::Path,
};

use super::{Endpoint, Registries, Tls};
use crate::toml::{quote, quote_path};

const HEAD: &str = "# Written by knarr at each start from registries.yaml; changes are lost.\n";

impl Registries {
    /// The text of `hosts.toml` by directory.
    fn hosts(&self) -> BTreeMap<String, String> {
        let mut endpoints: BTreeMap<&str, Endpoint<'_>> = BTreeMap::new();
        for (_, mirror) in self.mirrors().filter(|(_, m)| self.needs_us(m)) {
            for endpoint in mirror.endpoint.iter().filter_map(|e| Endpoint::parse(e)) {
                endpoints.entry(endpoint.host).or_insert(endpoint);
            }
        }
        let configured = self.configs.iter().filter(|(_, s)| s.as_ref().is_some_and(|s| s.tls.is_some()));
        let names: BTreeSet<&str> = self
            .mirrors()
            .map(|(registry, _)| registry)
            .chain(configured.map(|(host, _)| host.as_str()))
            .chain(endpoints.keys().copied())
            .collect();
        let text = |name: &&str| self.host(name, endpoints.get(*name).copied());
        names.iter().map(|name| (directory(name), text(name))).collect()
    }

    /// A registry: its mirrors that containerd can use by itself, then its own server.
    fn host(&self, name: &str, endpoint: Option<Endpoint<'_>>) -> String {
        let mut out = String::from(HEAD);
        let known = self.mirrors.get(name).and_then(Option::as_ref).filter(|m| !self.needs_us(m));
        let mirrors: Vec<_> = known.into_iter().flat_map(|m| &m.endpoint).filter_map(|u| Endpoint::parse(u)).collect();
        // The registry itself, under the scheme that somebody wrote for it: asked in another way it gives a wrong reason.
        let itself = endpoint.or_else(|| mirrors.iter().copied().find(|e| e.host == name && e.path.is_empty()));
        let server = match (name, itself) {
            ("*", _) => None,
            ("docker.io", None) => Some("https://registry-1.docker.io".to_owned()),
            (_, Some(e)) => Some(format!("{}://{}", e.scheme, e.host)),
            _ => Some(format!("https://{name}")),
        };
        if let Some(server) = &server {
            let _ = writeln!(out, "server = {}", quote(server));
        }
        self.tls(name, "", &mut out);
        let mut written = BTreeSet::new();
        for e in mirrors {
            let path = if e.path.is_empty() { String::new() } else { format!("/v2/{}", e.path) };
            let url = format!("{}://{}{path}", e.scheme, e.host);
            if written.insert(url.clone()) {
                self.section(&url, e.host, !path.is_empty(), &mut out);
            }
        }
        // containerd before 1.7 passes over TLS that is written for the server itself.
        if let Some(server) =
            server.filter(|s| self.settings(name).is_some_and(|s| s.tls.is_some()) && !written.contains(s))
        {
            self.section(&server, name, false, &mut out);
        }
        out
    }

    fn section(&self, url: &str, host: &str, has_path: bool, out: &mut String) {
        let _ = writeln!(out, "\n[host.{}]", quote(url));
        let _ = writeln!(out, "  capabilities = [\"pull\", \"resolve\"]");
        if has_path {
            let _ = writeln!(out, "  override_path = true");
        }
        self.tls(host, "  ", out);
    }

    fn tls(&self, host: &str, indent: &str, out: &mut String) {
        let Some(Tls { ca_file, cert_file, key_file, insecure_skip_verify }) =
            self.settings(host).and_then(|s| s.tls.as_ref())
        else {
            return;
        };
        if let Some(ca) = ca_file {
            let _ = writeln!(out, "{indent}ca = {}", quote_path(ca));
        }
        if let (Some(cert), Some(key)) = (cert_file, key_file) {
            let _ = writeln!(out, "{indent}client = [[{}, {}]]", quote_path(cert), quote_path(key));
        }
        if *insecure_skip_verify {
            let _ = writeln!(out, "{indent}skip_verify = true");
        }
    }
}

fn directory(name: &str) -> String {
    if name == "*" { "_default".to_owned() } else { name.to_owned() }
}

/// Brings a `certs.d` up to date; directories that we did not write stay. Blocks.
///
/// # Errors
/// A file cannot be written or removed.
pub fn write(registries: &Registries, dir: &Path) -> io::Result<()> {
    let wanted = registries.hosts();
    fs::create_dir_all(dir)?;
    for entry in fs::read_dir(dir)?.flatten() {
        let file = entry.path().join("hosts.toml");
        let ours = fs::read_to_string(&file).is_ok_and(|text| text.starts_with(HEAD));
        if ours && !entry.file_name().to_str().is_some_and(|name| wanted.contains_key(name)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    for (name, text) in wanted {
        let at = dir.join(name);
        fs::create_dir_all(&at)?;
        // Whole or not at all: containerd may be reading.
        fs::write(at.join(".hosts.toml"), text)?;
        fs::rename(at.join(".hosts.toml"), at.join("hosts.toml"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;
    use crate::registries::tests::registries;

    #[test]
    fn what_containerd_is_told() {
        let of = registries(json!({
            "mirrors": {
                "docker.io": { "endpoint": ["https://m1:5000", "http://m2/v2/cache"] },
                "*": { "endpoint": ["https://all"] },
                "quay.io": { "endpoint": ["http://m3:5000"], "rewrite": { "(.*)": "x/$1" } },
                "plain:5000": { "endpoint": ["http://plain:5000"] },
            },
            "configs": {
                "m1:5000": { "tls": { "ca_file": "/ca.pem", "cert_file": "/c.pem", "key_file": "/k.pem" } },
                "own.io": { "tls": { "insecure_skip_verify": true }, "auth": { "username": "u" } },
            },
        }));
        let text: Vec<String> = of.hosts().into_iter().map(|(name, text)| format!("== {name}\n{text}")).collect();
        expect![[r#"
            == _default
            # Written by knarr at each start from registries.yaml; changes are lost.

            [host."https://all"]
              capabilities = ["pull", "resolve"]
            == docker.io
            # Written by knarr at each start from registries.yaml; changes are lost.
            server = "https://registry-1.docker.io"

            [host."https://m1:5000"]
              capabilities = ["pull", "resolve"]
              ca = "/ca.pem"
              client = [["/c.pem", "/k.pem"]]

            [host."http://m2/v2/cache"]
              capabilities = ["pull", "resolve"]
              override_path = true
            == m1:5000
            # Written by knarr at each start from registries.yaml; changes are lost.
            server = "https://m1:5000"
            ca = "/ca.pem"
            client = [["/c.pem", "/k.pem"]]

            [host."https://m1:5000"]
              capabilities = ["pull", "resolve"]
              ca = "/ca.pem"
              client = [["/c.pem", "/k.pem"]]
            == m3:5000
            # Written by knarr at each start from registries.yaml; changes are lost.
            server = "http://m3:5000"
            == own.io
            # Written by knarr at each start from registries.yaml; changes are lost.
            server = "https://own.io"
            skip_verify = true

            [host."https://own.io"]
              capabilities = ["pull", "resolve"]
              skip_verify = true
            == plain:5000
            # Written by knarr at each start from registries.yaml; changes are lost.
            server = "http://plain:5000"

            [host."http://plain:5000"]
              capabilities = ["pull", "resolve"]
            == quay.io
            # Written by knarr at each start from registries.yaml; changes are lost.
            server = "https://quay.io"
        "#]]
        .assert_eq(&text.concat());
    }

    #[test]
    fn what_is_no_longer_wanted_goes() {
        let dir = std::env::temp_dir().join(format!("knarr-certs-{}", std::process::id()));
        fs::create_dir_all(dir.join("theirs")).unwrap();
        fs::write(dir.join("theirs/hosts.toml"), "server = \"x\"\n").unwrap();
        write(&registries(json!({ "mirrors": { "a.io": { "endpoint": ["https://m"] } } })), &dir).unwrap();
        assert!(dir.join("a.io/hosts.toml").exists());
        write(&Registries::default(), &dir).unwrap();
        assert!(!dir.join("a.io").exists() && dir.join("theirs/hosts.toml").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
