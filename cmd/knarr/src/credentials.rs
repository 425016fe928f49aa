//! The cluster's keys on this server, and the files that are made of them.

use std::{net::IpAddr, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use anyhow::Context as _;
use jiff::Timestamp;
use knarr_pki::{Ca, Identity, JoinToken, Leaf, Vault, ca_hash, kubeconfig, random_secret, renewal};

use crate::config::Config;

/// What the server shows, signs with and believes.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// Where they are kept.
    pub(crate) vault: Vault,
    /// Signs what servers show: the API, kubelets, the ingress's local certificates.
    pub(crate) server_ca: Arc<Ca>,
    /// Signs what clients show.
    pub(crate) client_ca: Arc<Ca>,
    /// Key of ServiceAccount tokens, PEM.
    pub(crate) service_key: String,
    /// The secret of the join token.
    pub(crate) join_secret: String,
    /// What is shown, as it was at the start.
    pub(crate) leaves: Leaves,
}

/// What the server shows: good for a year, renewed while it runs.
#[derive(Clone)]
pub(crate) struct Leaves {
    /// The API's certificate.
    pub(crate) serving: Identity,
    /// What the API server shows to kubelets.
    pub(crate) kubelet_client: Identity,
    /// What this node's kubelet shows.
    pub(crate) kubelet_serving: Identity,
    /// From when on one of them, or the administrator's, is to be renewed.
    pub(crate) due: Timestamp,
}

/// Reads or makes all of it, and writes kubeconfig and token files.
pub(crate) fn prepare(config: &Config, now: Timestamp) -> anyhow::Result<Credentials> {
    let server = config.paths.data.join("server");
    let vault = Vault::open(server.join("tls"))?;
    let born = now.as_second();
    let server_ca = Arc::new(vault.ca("server-ca", &format!("knarr-server-ca@{born}"), now)?);
    let client_ca = Arc::new(vault.ca("client-ca", &format!("knarr-client-ca@{born}"), now)?);
    let service_key = vault.secret("service.key", || {
        let (_, identity) = Ca::create("service-account", now)?;
        Ok(identity.key)
    })?;
    let leaves = leaves(config, &vault, &server_ca, &client_ca, now)?;
    let join_secret = write_tokens(config, &vault, &server, server_ca.cert())?;
    Ok(Credentials { vault, server_ca, client_ca, service_key, join_secret, leaves })
}

/// Reads or makes what is shown, and writes the kubeconfig.
pub(crate) fn leaves(
    config: &Config,
    vault: &Vault,
    server_ca: &Ca,
    client_ca: &Ca,
    now: Timestamp,
) -> anyhow::Result<Leaves> {
    let serving = Leaf::server("kube-apiserver", names(config));
    let serving = vault.leaf("serving-kube-apiserver", server_ca, &serving, now)?;
    let admin = vault.leaf("client-admin", client_ca, &Leaf::client("system:admin", &["system:masters"]), now)?;
    write_kubeconfig(config, server_ca, &admin)?;
    let kubelet_client = Leaf::client("kube-apiserver-kubelet-client", &["system:masters"]);
    let kubelet_client = vault.leaf("client-kube-apiserver", client_ca, &kubelet_client, now)?;
    let own = [config.node.name.clone(), config.node.ip.to_string()];
    let own = own.into_iter().chain(config.node.external_ip.map(|ip| ip.to_string()));
    let own = Leaf::server(&format!("system:node:{}", config.node.name), own);
    let kubelet_serving = vault.leaf("serving-kubelet", server_ca, &own, now)?;
    let mut due = renewal(&admin.cert)?;
    for shown in [&serving, &kubelet_client, &kubelet_serving] {
        due = due.min(renewal(&shown.cert)?);
    }
    Ok(Leaves { serving, kubelet_client, kubelet_serving, due })
}

/// Every name and address the API may be called by.
fn names(config: &Config) -> Vec<String> {
    let domain = &config.net.domain;
    let first = config.net.service_cidr.hosts().next().map(IpAddr::V4);
    let mut names: Vec<String> =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"].map(Into::into).into();
    names.push(format!("kubernetes.default.svc.{domain}"));
    names.push(config.node.name.clone());
    let addresses = [
        Some(IpAddr::from([127, 0, 0, 1])),
        Some(config.node.ip),
        config.node.external_ip,
        Some(config.api.advertise),
        first,
    ];
    names.extend(addresses.into_iter().flatten().filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
    names.extend(config.api.sans.iter().cloned());
    names.sort();
    names.dedup();
    names
}

fn write_kubeconfig(config: &Config, ca: &Ca, admin: &Identity) -> anyhow::Result<()> {
    let listen = config.api.listen;
    let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
    let text = kubeconfig(&format!("https://{host}:{}", listen.port()), ca.cert(), admin);
    let path = &config.paths.kubeconfig;
    write(path, &text, config.paths.kubeconfig_mode).with_context(|| format!("write the kubeconfig {}", path.display()))
}

/// `token` for servers, `node-token` a link to it, as scripts expect. The secret in it.
fn write_tokens(config: &Config, vault: &Vault, server: &Path, ca: &str) -> anyhow::Result<String> {
    let chosen = config.token.clone();
    let secret = match &chosen {
        // A token that was chosen anew counts.
        Some(secret) => secret.clone(),
        None => vault.secret("../token-secret", random_secret)?,
    };
    store_token(server, ca, &secret)?;
    let link = server.join("node-token");
    if std::fs::symlink_metadata(&link).is_err() {
        std::os::unix::fs::symlink("token", &link).context("link the node token")?;
    }
    Ok(secret)
}

/// Writes the secret of the join token and the token itself below `<data-dir>/server`.
pub(crate) fn store_token(server: &Path, ca: &str, secret: &str) -> anyhow::Result<()> {
    write(&server.join("token-secret"), secret, 0o600).context("write the join secret")?;
    let token = JoinToken { ca_hash: Some(ca_hash(ca)), user: "server".to_owned(), secret: secret.to_owned() };
    write(&server.join("token"), &format!("{token}\n"), 0o600).context("write the join token")
}

/// Writes a file so that readers see the old or the new content.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let beside = path.with_extension("new");
    std::fs::write(&beside, "")?;
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode))?;
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
