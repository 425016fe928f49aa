//! Security contexts: a container's own settings over its pod's.

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, Pod, PodSecurityContext, SELinuxOptions, SeccompProfile, SecurityContext,
};
use knarr_cri::v1;

use super::{SpecError, container::Image};
use crate::pod;

/// Paths under `/proc` and `/sys` hidden from containers, as container engines agree.
const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn of_pod(pod: &Pod) -> PodSecurityContext {
    pod::spec(pod).security_context.clone().unwrap_or_default()
}

fn of_container(container: &Container) -> SecurityContext {
    container.security_context.clone().unwrap_or_default()
}

/// The namespaces of the sandbox and, with `target`, of a container that joins another one's processes.
pub(super) fn namespaces(pod: &Pod, target: Option<&str>) -> v1::NamespaceOption {
    let spec = pod::spec(pod);
    let host = |on: Option<bool>| {
        if on.unwrap_or(false) { v1::NamespaceMode::Node as i32 } else { v1::NamespaceMode::Pod as i32 }
    };
    let mut pid = v1::NamespaceMode::Container as i32;
    if spec.host_pid.unwrap_or(false) {
        pid = v1::NamespaceMode::Node as i32;
    } else if spec.share_process_namespace.unwrap_or(false) {
        pid = v1::NamespaceMode::Pod as i32;
    }
    if target.is_some() {
        pid = v1::NamespaceMode::Target as i32;
    }
    v1::NamespaceOption {
        network: host(spec.host_network),
        pid,
        ipc: host(spec.host_ipc),
        target_id: target.unwrap_or_default().to_owned(),
        userns_options: None,
    }
}

/// What the sandbox's own process runs as, with pause's own seccomp profile: the pod's is for its containers.
pub(super) fn sandbox(pod: &Pod, pause_profile: &str) -> v1::LinuxSandboxSecurityContext {
    let sc = of_pod(pod);
    let privileged = pod::parts(pod).iter().any(|p| of_container(&p.spec).privileged.unwrap_or(false));
    v1::LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(pod, None)),
        selinux_options: sc.se_linux_options.as_ref().map(selinux),
        run_as_user: sc.run_as_user.map(int),
        run_as_group: sc.run_as_group.map(int),
        supplemental_groups: groups(&sc),
        supplemental_groups_policy: groups_policy(&sc),
        privileged,
        seccomp: Some(profile("Localhost", pause_profile.to_owned())),
        ..v1::LinuxSandboxSecurityContext::default()
    }
}

/// What a container's first process runs as, and what it may.
pub(super) fn container(
    pod: &Pod,
    container: &Container,
    image: &Image,
    target: Option<&str>,
    seccomp_root: &str,
) -> Result<v1::LinuxContainerSecurityContext, SpecError> {
    let (ps, sc) = (of_pod(pod), of_container(container));
    let user = sc.run_as_user.or(ps.run_as_user);
    if sc.run_as_non_root.or(ps.run_as_non_root).unwrap_or(false) {
        must_not_be_root(pod, container, user, image)?;
    }
    let privileged = sc.privileged.unwrap_or(false);
    let unconfined = SeccompProfile { type_: "Unconfined".into(), localhost_profile: None };
    let profile = sc.seccomp_profile.as_ref().or(ps.seccomp_profile.as_ref()).unwrap_or(&unconfined);
    let profile = if privileged { &unconfined } else { profile };
    let armor = sc.app_armor_profile.as_ref().or(ps.app_armor_profile.as_ref());
    let own_proc = sc.proc_mount.as_deref() == Some("Unmasked");
    let paths = |list: &[&str]| -> Vec<String> {
        if own_proc { Vec::new() } else { list.iter().map(|p| (*p).to_owned()).collect() }
    };
    let capabilities = sc.capabilities.as_ref().map(|c| v1::Capability {
        add_capabilities: c.add.clone().unwrap_or_default(),
        drop_capabilities: c.drop.clone().unwrap_or_default(),
        add_ambient_capabilities: Vec::new(),
    });
    let mut out = v1::LinuxContainerSecurityContext {
        capabilities,
        privileged,
        namespace_options: Some(namespaces(pod, target)),
        selinux_options: sc.se_linux_options.as_ref().or(ps.se_linux_options.as_ref()).map(selinux),
        run_as_user: user.map(int),
        run_as_group: sc.run_as_group.or(ps.run_as_group).map(int),
        readonly_rootfs: sc.read_only_root_filesystem.unwrap_or(false),
        supplemental_groups: groups(&ps),
        supplemental_groups_policy: groups_policy(&ps),
        no_new_privs: sc.allow_privilege_escalation == Some(false),
        masked_paths: paths(&MASKED),
        readonly_paths: paths(&READ_ONLY),
        seccomp: Some(seccomp(profile, seccomp_root)),
        apparmor: armor.map(apparmor),
        ..v1::LinuxContainerSecurityContext::default()
    };
    if out.run_as_user.is_none() {
        match image.uid {
            Some(uid) => out.run_as_user = Some(int(uid)),
            None => out.run_as_username.clone_from(&image.user),
        }
    }
    Ok(out)
}

fn must_not_be_root(pod: &Pod, c: &Container, user: Option<i64>, image: &Image) -> Result<(), SpecError> {
    let whose = format!("(pod: {:?}, container: {})", pod::full_name(pod), c.name);
    match (user, image.uid, image.user.as_str()) {
        (Some(0), ..) => Err(SpecError(format!("container's runAsUser breaks non-root policy {whose}"))),
        (Some(_), ..) => Ok(()),
        (None, Some(0), _) | (None, None, "") => {
            Err(SpecError(format!("container has runAsNonRoot and image will run as root {whose}")))
        }
        (None, Some(_), _) => Ok(()),
        (None, None, name) => Err(SpecError(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root {whose}"
        ))),
    }
}

fn int(value: i64) -> v1::Int64Value {
    v1::Int64Value { value }
}

fn groups(sc: &PodSecurityContext) -> Vec<i64> {
    sc.fs_group.into_iter().chain(sc.supplemental_groups.iter().flatten().copied()).collect()
}

fn groups_policy(sc: &PodSecurityContext) -> i32 {
    match sc.supplemental_groups_policy.as_deref() {
        Some("Strict") => v1::SupplementalGroupsPolicy::Strict as i32,
        _ => v1::SupplementalGroupsPolicy::Merge as i32,
    }
}

fn selinux(o: &SELinuxOptions) -> v1::SeLinuxOption {
    v1::SeLinuxOption {
        user: o.user.clone().unwrap_or_default(),
        role: o.role.clone().unwrap_or_default(),
        r#type: o.type_.clone().unwrap_or_default(),
        level: o.level.clone().unwrap_or_default(),
    }
}

fn profile(kind: &str, path: String) -> v1::SecurityProfile {
    use v1::security_profile::ProfileType;
    let (kind, path) = match kind {
        "RuntimeDefault" => (ProfileType::RuntimeDefault, String::new()),
        "Localhost" => (ProfileType::Localhost, path),
        _ => (ProfileType::Unconfined, String::new()),
    };
    v1::SecurityProfile { profile_type: kind as i32, localhost_ref: path }
}

fn seccomp(p: &SeccompProfile, root: &str) -> v1::SecurityProfile {
    profile(&p.type_, format!("{root}/{}", p.localhost_profile.as_deref().unwrap_or_default()))
}

fn apparmor(p: &AppArmorProfile) -> v1::SecurityProfile {
    profile(&p.type_, p.localhost_profile.clone().unwrap_or_default())
}
