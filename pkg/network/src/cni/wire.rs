//! What the runtime says and what it is told (CNI specification 1.1, sections 2 and 5).

use std::{net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// The plugin that brings `lo` up.
pub(crate) const LOOPBACK: &str = "loopback";

const VERSIONS: [&str; 5] = ["0.3.1", "0.4.0", "1.0.0", "1.0.1", "1.1.0"];

/// The network's configuration, as the agent writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conf {
    /// Protocol version.
    pub cni_version: String,
    /// Name of the network.
    #[serde(default)]
    pub name: String,
    /// The plugin's file name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Addresses of this node's pods.
    pub pod_cidr: Ipv4Net,
    /// Where addresses are kept.
    pub ipam_dir: PathBuf,
    /// Largest packet.
    pub mtu: u32,
    /// Containers that are alive (GC).
    #[serde(default, rename = "cni.dev/valid-attachments", skip_serializing)]
    pub valid: Vec<Attachment>,
}

/// A container and the name its link has inside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Container.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Link.
    pub ifname: String,
}

/// The commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Add,
    Del,
    Check,
    Status,
    Gc,
    Version,
}

/// One call.
#[derive(Debug, PartialEq)]
pub(super) struct Ask {
    pub(super) command: Command,
    pub(super) container: String,
    pub(super) netns: String,
    pub(super) ifname: String,
    pub(super) conf: Conf,
}

/// The least a configuration says: which plugin it is for.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, rename = "cniVersion")]
    version: String,
}

impl Ask {
    pub(super) fn parse(env: impl Fn(&str) -> Option<String>, conf: &str) -> Result<Self, Failure> {
        let get = |name: &str| env(name).unwrap_or_default();
        let command = match get("CNI_COMMAND").as_str() {
            "ADD" => Command::Add,
            "DEL" => Command::Del,
            "CHECK" => Command::Check,
            "STATUS" => Command::Status,
            "GC" => Command::Gc,
            "VERSION" => Command::Version,
            other => return Err(Failure::new(4, format!("CNI_COMMAND {other:?} is unknown"), "")),
        };
        let conf: Conf = match command {
            Command::Version => Conf::of(String::new(), String::new()),
            _ => Conf::parse(conf).map_err(|e| Failure::new(6, "decode the configuration", e))?,
        };
        if command != Command::Version && !VERSIONS.contains(&conf.cni_version.as_str()) {
            return Err(Failure::new(1, format!("CNI version {:?} is not supported", conf.cni_version), ""));
        }
        let (container, netns, ifname) = (get("CNI_CONTAINERID"), get("CNI_NETNS"), get("CNI_IFNAME"));
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let about_one = matches!(command, Command::Add | Command::Del | Command::Check);
        if about_one && (!plain(&container) || !plain(&ifname) || ifname.len() > 15) {
            return Err(Failure::new(4, "CNI_CONTAINERID or CNI_IFNAME is missing or malformed", ""));
        }
        if matches!(command, Command::Add | Command::Check) && netns.is_empty() {
            return Err(Failure::new(4, "CNI_NETNS is missing", ""));
        }
        Ok(Self { command, container, netns, ifname, conf })
    }
}

impl Conf {
    /// Runtimes bring the configuration of the loopback plugin themselves: it has nothing of ours in it.
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let header: Header = serde_json::from_str(text)?;
        if header.kind == LOOPBACK { Ok(Self::of(header.version, header.kind)) } else { serde_json::from_str(text) }
    }

    fn of(cni_version: String, kind: String) -> Self {
        Self {
            cni_version,
            name: String::new(),
            kind,
            pod_cidr: Ipv4Net::default(),
            ipam_dir: PathBuf::new(),
            mtu: 0,
            valid: Vec::new(),
        }
    }
}

/// The error document.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: u32,
    what: String,
    why: String,
}

impl Failure {
    /// Code as in the specification (below 100) or ours (100: an operation on the host failed).
    pub fn new(code: u32, what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self { code, what: what.into(), why: why.to_string() }
    }

    pub(super) fn to_json(&self) -> String {
        let Self { code, what, why } = self;
        serde_json::json!({ "cniVersion": "1.0.0", "code": code, "msg": what, "details": why }).to_string()
    }
}

/// The result of ADD.
pub(super) fn result(ask: &Ask, host: &str, host_mac: &[u8], mac: &[u8], ip: Ipv4Addr, gateway: Ipv4Addr) -> String {
    serde_json::json!({
        "cniVersion": ask.conf.cni_version,
        "interfaces": [
            { "name": host, "mac": print_mac(host_mac) },
            { "name": ask.ifname, "mac": print_mac(mac), "sandbox": ask.netns },
        ],
        "ips": [{ "version": "4", "interface": 1, "address": format!("{ip}/32"), "gateway": gateway.to_string() }],
        "routes": [{ "dst": "0.0.0.0/0", "gw": gateway.to_string() }],
        "dns": {},
    })
    .to_string()
}

/// The result of ADD for the loopback plugin.
pub(super) fn loopback(ask: &Ask) -> String {
    serde_json::json!({
        "cniVersion": ask.conf.cni_version,
        "interfaces": [{ "name": ask.ifname, "mac": "00:00:00:00:00:00", "sandbox": ask.netns }],
        "ips": [{ "version": "4", "interface": 0, "address": "127.0.0.1/8" }],
        "dns": {},
    })
    .to_string()
}

pub(super) fn versions() -> String {
    serde_json::json!({ "cniVersion": "1.0.0", "supportedVersions": VERSIONS }).to_string()
}

fn print_mac(mac: &[u8]) -> String {
    mac.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = r#"{"cniVersion":"1.0.0","name":"knarr","type":"knarr-cni","podCidr":"10.42.0.0/24",
        "ipamDir":"/x","mtu":1500}"#;

    fn parse(env: &[(&str, &str)], conf: &str) -> Result<Ask, u32> {
        let get = |name: &str| env.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned());
        Ask::parse(get, conf).map_err(|f| f.code)
    }

    #[test]
    fn calls_are_checked() {
        let full = [("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "c1"), ("CNI_NETNS", "/n"), ("CNI_IFNAME", "eth0")];
        assert_eq!(parse(&full, CONF).unwrap().command, Command::Add);
        assert_eq!(parse(&full[..3], CONF), Err(4));
        assert_eq!(parse(&[("CNI_COMMAND", "JUMP")], CONF), Err(4));
        assert_eq!(parse(&full, "{"), Err(6));
        assert_eq!(parse(&full, &CONF.replace("1.0.0", "9.9.9")), Err(1));
        let evil = [("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "../x"), ("CNI_IFNAME", "eth0")];
        assert_eq!(parse(&evil, CONF), Err(4));
        let loopback = r#"{"cniVersion":"0.3.1","type":"loopback"}"#;
        assert_eq!(parse(&full, loopback).unwrap().conf.kind, LOOPBACK);
        assert_eq!(parse(&[("CNI_COMMAND", "VERSION")], "").unwrap().command, Command::Version);
    }
}
