//! What a private containerd is told. Pure: settings in, text out.
//!
//! Configuration version 2 is read by 1.6, 1.7 and (translated by itself) 2.x, so there is one text for all.

use std::{ffi::OsString, fmt::Write as _, path::PathBuf};

use crate::toml::{quote, quote_path};

/// Where a private containerd lives and what it uses. Everything it writes is below `root` and `run`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The containerd binary: a path, or a name to be looked up in `PATH`.
    pub binary: PathBuf,
    /// Directories put before `PATH` for containerd: shims, runc, CNI helpers.
    pub path: Vec<PathBuf>,
    /// What survives a reboot: content, snapshots, metadata, log, configuration.
    pub root: PathBuf,
    /// What does not: socket, record, mounts. Must be short, see [`super::StartError::LongSocket`].
    pub run: PathBuf,
    /// Where CNI plugins are.
    pub cni_bin: PathBuf,
    /// Where CNI configuration is.
    pub cni_conf: PathBuf,
    /// `certs.d`: a directory per registry with its `hosts.toml`.
    pub registry_config: PathBuf,
    /// The image of sandboxes; see [`crate::pause`].
    pub sandbox_image: String,
    /// Usually `overlayfs`; `native` where the root is itself an overlay.
    pub snapshotter: String,
    /// Set from [`super::may_lower_oom_score`].
    pub restrict_oom_score: bool,
}

impl Settings {
    /// The socket, for CRI and everything else.
    pub fn socket(&self) -> PathBuf {
        self.run.join("containerd.sock")
    }

    /// Runtime state: bundles, shims' directories, network namespaces.
    pub fn state(&self) -> PathBuf {
        self.run.join("state")
    }

    /// Where the configuration is written.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// Where containerd's own log goes. A file and not a pipe to us: containerd outlives us.
    pub fn log_file(&self) -> PathBuf {
        self.root.join("containerd.log")
    }

    /// Who runs, and with what: read by the next knarr, which may adopt it.
    pub(super) fn record_file(&self) -> PathBuf {
        self.run.join("containerd.json")
    }

    /// `PATH` for containerd.
    pub(super) fn search_path(&self, inherited: Option<OsString>) -> OsString {
        let inherited =
            inherited.unwrap_or_else(|| "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
        let all = self.path.iter().cloned().chain(std::env::split_paths(&inherited));
        std::env::join_paths(all).unwrap_or(inherited)
    }

    /// The configuration file.
    pub fn render(&self) -> String {
        let mut out = String::from("# Written by knarr at each start; changes are lost.\nversion = 2\n");
        let mut top = |key: &str, value: &str| {
            let _ = writeln!(out, "{key} = {value}");
        };
        top("root", &quote_path(&self.root));
        top("state", &quote_path(&self.state()));
        top("required_plugins", r#"["io.containerd.grpc.v1.cri"]"#);
        top("disabled_plugins", DISABLED);
        // Zero would mean containerd's own default, which a process without the capability cannot set.
        if !self.restrict_oom_score {
            top("oom_score", "-999");
        }
        section(&mut out, &["grpc"], &[("address", quote_path(&self.socket()))]);
        section(
            &mut out,
            &["plugins", "io.containerd.internal.v1.opt"],
            &[("path", quote_path(&self.root.join("opt")))],
        );
        let cri = ["plugins", "io.containerd.grpc.v1.cri"];
        section(
            &mut out,
            &cri,
            &[
                ("sandbox_image", quote(&self.sandbox_image)),
                ("stream_server_address", quote("127.0.0.1")),
                ("stream_server_port", quote("0")),
                ("enable_selinux", "false".into()),
                ("enable_unprivileged_ports", "true".into()),
                ("enable_unprivileged_icmp", "true".into()),
                ("netns_mounts_under_state_dir", "true".into()),
                ("restrict_oom_score_adj", self.restrict_oom_score.to_string()),
            ],
        );
        let sub = |tail: &[&'static str]| [&cri[..], tail].concat();
        section(
            &mut out,
            &sub(&["cni"]),
            &[("bin_dir", quote_path(&self.cni_bin)), ("conf_dir", quote_path(&self.cni_conf))],
        );
        section(&mut out, &sub(&["registry"]), &[("config_path", quote_path(&self.registry_config))]);
        section(
            &mut out,
            &sub(&["containerd"]),
            &[("snapshotter", quote(&self.snapshotter)), ("default_runtime_name", quote("runc"))],
        );
        section(
            &mut out,
            &sub(&["containerd", "runtimes", "runc"]),
            &[("runtime_type", quote("io.containerd.runc.v2"))],
        );
        section(
            &mut out,
            &sub(&["containerd", "runtimes", "runc", "options"]),
            &[("SystemdCgroup", "false".into()), ("Root", quote_path(&self.state().join("runc")))],
        );
        out
    }
}

/// Nobody here uses them, and each costs start time or memory. Unknown names are ignored.
const DISABLED: &str = r#"[
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]"#;

fn section(out: &mut String, path: &[&str], pairs: &[(&str, String)]) {
    let path: Vec<String> = path.iter().map(|p| if p.contains('.') { quote(p) } else { (*p).to_owned() }).collect();
    let _ = writeln!(out, "\n[{}]", path.join("."));
    for (key, value) in pairs {
        let _ = writeln!(out, "{key} = {value}");
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    pub(crate) fn settings() -> Settings {
        Settings {
            binary: "containerd".into(),
            path: vec!["/var/lib/knarr/bin".into()],
            root: "/var/lib/knarr/agent/containerd".into(),
            run: "/run/knarr/containerd".into(),
            cni_bin: "/var/lib/knarr/cni/bin".into(),
            cni_conf: "/var/lib/knarr/agent/etc/cni/net.d".into(),
            registry_config: "/var/lib/knarr/agent/etc/containerd/certs.d".into(),
            sandbox_image: "knarr.local/pause:1".into(),
            snapshotter: "overlayfs".into(),
            restrict_oom_score: true,
        }
    }

    #[test]
    fn golden() {
        expect![[r#"
            # Written by knarr at each start; changes are lost.
            version = 2
            root = "/var/lib/knarr/agent/containerd"
            state = "/run/knarr/containerd/state"
            required_plugins = ["io.containerd.grpc.v1.cri"]
            disabled_plugins = [
              "io.containerd.snapshotter.v1.aufs",
              "io.containerd.snapshotter.v1.btrfs",
              "io.containerd.snapshotter.v1.devmapper",
              "io.containerd.snapshotter.v1.zfs",
              "io.containerd.tracing.processor.v1.otlp",
              "io.containerd.internal.v1.tracing",
            ]

            [grpc]
            address = "/run/knarr/containerd/containerd.sock"

            [plugins."io.containerd.internal.v1.opt"]
            path = "/var/lib/knarr/agent/containerd/opt"

            [plugins."io.containerd.grpc.v1.cri"]
            sandbox_image = "knarr.local/pause:1"
            stream_server_address = "127.0.0.1"
            stream_server_port = "0"
            enable_selinux = false
            enable_unprivileged_ports = true
            enable_unprivileged_icmp = true
            netns_mounts_under_state_dir = true
            restrict_oom_score_adj = true

            [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "/var/lib/knarr/cni/bin"
            conf_dir = "/var/lib/knarr/agent/etc/cni/net.d"

            [plugins."io.containerd.grpc.v1.cri".registry]
            config_path = "/var/lib/knarr/agent/etc/containerd/certs.d"

            [plugins."io.containerd.grpc.v1.cri".containerd]
            snapshotter = "overlayfs"
            default_runtime_name = "runc"

            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
            runtime_type = "io.containerd.runc.v2"

            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = false
            Root = "/run/knarr/containerd/state/runc"
        "#]]
        .assert_eq(&settings().render());
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quote("a\"b\\c\n"), r#""a\"b\\c\u000A""#);
    }

    #[test]
    fn own_directories_come_first_in_path() {
        assert_eq!(settings().search_path(Some("/bin:/sbin".into())), "/var/lib/knarr/bin:/bin:/sbin");
    }
}
