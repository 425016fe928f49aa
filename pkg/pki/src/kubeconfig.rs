//! Kubeconfigs.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};

use crate::Identity;

/// A kubeconfig with an embedded client certificate.
pub fn kubeconfig(server: &str, ca_pem: &str, client: &Identity) -> String {
    let [ca, cert, key] = [ca_pem, &client.cert, &client.key].map(|pem| BASE64.encode(pem));
    text(server, ("certificate-authority-data", &ca), ("client-certificate-data", &cert), ("client-key-data", &key))
}

/// A kubeconfig that names files: for certificates that are renewed.
pub fn kubeconfig_of_files(server: &str, ca: &str, cert: &str, key: &str) -> String {
    text(server, ("certificate-authority", ca), ("client-certificate", cert), ("client-key", key))
}

/// Cluster, user and context are all called `default`, and the server stands on a line of its own, because scripts rewrite
/// both with sed.
fn text(server: &str, ca: (&str, &str), cert: (&str, &str), key: (&str, &str)) -> String {
    let line = |(name, value): (&str, &str)| format!("{name}: {value}");
    let [ca, cert, key] = [ca, cert, key].map(line);
    format!(
        "apiVersion: v1
clusters:
- cluster:
    {ca}
    server: {server}
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    {cert}
    {key}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_as_scripts_expect() {
        let text = kubeconfig("https://127.0.0.1:6443", "ca", &Identity { cert: "c".into(), key: "k".into() });
        expect_test::expect![[r#"
            apiVersion: v1
            clusters:
            - cluster:
                certificate-authority-data: Y2E=
                server: https://127.0.0.1:6443
              name: default
            contexts:
            - context:
                cluster: default
                user: default
              name: default
            current-context: default
            kind: Config
            users:
            - name: default
              user:
                client-certificate-data: Yw==
                client-key-data: aw==
        "#]]
        .assert_eq(&text);
    }
}
