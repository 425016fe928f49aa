//! One container.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use knarr_cri::v1;

use super::{Machine, SpecError, expand, linux_resources, security};
use crate::{
    pod,
    sync::{annotations, container_hash, labels},
};

/// What the runtime told about the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// The runtime's id of it.
    pub id: String,
    /// Numeric user it runs as.
    pub uid: Option<i64>,
    /// Named user it runs as.
    pub user: String,
}

/// What a container's configuration is made of.
#[derive(Debug)]
pub(crate) struct ContainerInput<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The container.
    pub container: &'a Container,
    /// Restarts before.
    pub restarts: u32,
    /// Its image.
    pub image: &'a Image,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its mounts.
    pub mounts: Vec<v1::Mount>,
    /// The machine.
    pub machine: &'a Machine,
    /// Container id whose processes it joins.
    pub target: Option<&'a str>,
    /// Where seccomp profiles of the node lie.
    pub seccomp_root: &'a str,
}

/// Everything the runtime needs to make the container.
///
/// # Errors
/// The spec contradicts the image (`runAsNonRoot`).
pub(crate) fn container_config(input: ContainerInput<'_>) -> Result<v1::ContainerConfig, SpecError> {
    let ContainerInput { pod, container, restarts, image, env, mounts, machine, target, seccomp_root } = input;
    let lookup = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let expand_all = |list: &Option<Vec<String>>| -> Vec<String> {
        list.iter().flatten().map(|text| expand(text, lookup)).collect()
    };
    let security_context = security::container(pod, container, image, target, seccomp_root)?;
    let text = str::to_owned;
    let labels = HashMap::from([
        (text(labels::POD_NAME), text(pod::name(pod))),
        (text(labels::POD_NAMESPACE), text(pod::namespace(pod))),
        (text(labels::POD_UID), text(pod::uid(pod))),
        (text(labels::CONTAINER), container.name.clone()),
    ]);
    let message_path = container.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
    let message_policy = container.termination_message_policy.as_deref().unwrap_or("File");
    let notes = HashMap::from([
        (text(annotations::HASH), container_hash(container)),
        (text(annotations::RESTARTS), restarts.to_string()),
        (text(annotations::MESSAGE_PATH), text(message_path)),
        (text(annotations::MESSAGE_POLICY), text(message_policy)),
        (text(annotations::GRACE), pod::grace(pod).to_string()),
    ]);
    Ok(v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: container.name.clone(), attempt: restarts }),
        image: Some(v1::ImageSpec {
            image: image.id.clone(),
            user_specified_image: container.image.clone().unwrap_or_default(),
            ..v1::ImageSpec::default()
        }),
        command: expand_all(&container.command),
        args: expand_all(&container.args),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        envs: env.iter().map(|(k, v)| v1::KeyValue { key: k.clone(), value: v.clone() }).collect(),
        mounts,
        labels,
        annotations: notes,
        log_path: format!("{}/{restarts}.log", container.name),
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        linux: Some(v1::LinuxContainerConfig {
            resources: Some(linux_resources(pod, container, machine)),
            security_context: Some(security_context),
        }),
        ..v1::ContainerConfig::default()
    })
}
