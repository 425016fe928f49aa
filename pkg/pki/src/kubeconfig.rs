//! Kubeconfigs.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};

use crate::Identity;

/// A kubeconfig with an embedded client certificate; cluster, user and context are all called `default`, and the
/// server stands on a line of its own, because scripts rewrite both with sed.
pub fn kubeconfig(server: &str, ca_pem: &str, client: &Identity) -> String {
    let ca = BASE64.encode(ca_pem);
    let cert = BASE64.encode(&client.cert);
    let key = BASE64.encode(&client.key);
    format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
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
    client-certificate-data: {cert}
    client-key-data: {key}
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
