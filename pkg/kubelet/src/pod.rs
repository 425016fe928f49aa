//! Views of a Pod that everyone here needs: its names, its containers of all kinds in order, its quality of service.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec, ResourceRequirements};
use knarr_client::events::ObjectRef;

use crate::quantity;

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Runs to its end before the next one starts.
    Init,
    /// Init container with `restartPolicy: Always`: starts in order, then keeps running.
    Sidecar,
    /// The pod's own work.
    App,
    /// Added to a running pod for debugging; never restarted.
    Ephemeral,
}

/// A container of a pod with its kind.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its spec; made up for ephemeral containers.
    pub spec: Cow<'a, Container>,
}

impl Part<'_> {
    /// The container's name.
    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// How events name it: `spec.containers{app}`.
    pub(crate) fn field_path(&self) -> String {
        let list = match self.kind {
            Kind::Init | Kind::Sidecar => "initContainers",
            Kind::App => "containers",
            Kind::Ephemeral => "ephemeralContainers",
        };
        format!("spec.{list}{{{}}}", self.spec.name)
    }
}

static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);

/// The spec; an empty one for a pod without.
pub(crate) fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap_or(&EMPTY)
}

/// `metadata.uid`.
pub(crate) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// `metadata.name`.
pub(crate) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// `metadata.namespace`.
pub(crate) fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

/// `name_namespace(uid)`: how messages name a pod.
pub(crate) fn full_name(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

/// What events about the pod refer to.
pub(crate) fn object_ref(pod: &Pod, field_path: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: namespace(pod).into(),
        name: name(pod).into(),
        uid: uid(pod).into(),
        field_path: field_path.into(),
    }
}

/// Init containers in order, then the others, then ephemeral ones.
pub(crate) fn parts(pod: &Pod) -> Vec<Part<'_>> {
    let spec = spec(pod);
    let init = spec.init_containers.iter().flatten().map(|c| Part { kind: init_kind(c), spec: Cow::Borrowed(c) });
    let app = spec.containers.iter().map(|c| Part { kind: Kind::App, spec: Cow::Borrowed(c) });
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    let ephemeral = ephemeral.map(|c| Part { kind: Kind::Ephemeral, spec: Cow::Owned(plain(c)) });
    init.chain(app).chain(ephemeral).collect()
}

/// The container of that name.
pub(crate) fn part<'a>(pod: &'a Pod, name: &str) -> Option<Part<'a>> {
    parts(pod).into_iter().find(|p| p.name() == name)
}

fn init_kind(c: &Container) -> Kind {
    if c.restart_policy.as_deref() == Some("Always") { Kind::Sidecar } else { Kind::Init }
}

fn plain(c: &EphemeralContainer) -> Container {
    let c = c.clone();
    Container {
        name: c.name,
        image: c.image,
        image_pull_policy: c.image_pull_policy,
        command: c.command,
        args: c.args,
        env: c.env,
        env_from: c.env_from,
        working_dir: c.working_dir,
        security_context: c.security_context,
        stdin: c.stdin,
        stdin_once: c.stdin_once,
        tty: c.tty,
        termination_message_path: c.termination_message_path,
        termination_message_policy: c.termination_message_policy,
        volume_mounts: c.volume_mounts,
        volume_devices: c.volume_devices,
        resources: c.resources,
        ..Container::default()
    }
}

/// `spec.restartPolicy`, `Always` where not given.
pub(crate) fn restart_policy(pod: &Pod) -> &str {
    spec(pod).restart_policy.as_deref().unwrap_or("Always")
}

/// Whether deletion was asked for.
pub(crate) fn is_deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Seconds the pod may take to end: of its deletion, else of its spec.
pub(crate) fn grace(pod: &Pod) -> i64 {
    pod.metadata.deletion_grace_period_seconds.or(spec(pod).termination_grace_period_seconds).unwrap_or(30)
}

/// Whether the status says that the pod has ended for good.
pub(crate) fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// `status.phase`.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// Whether the pod lives in the node's network namespace.
pub(crate) fn host_network(pod: &Pod) -> bool {
    spec(pod).host_network.unwrap_or(false)
}

/// Quality of service classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qos {
    /// Requests equal limits for cpu and memory of every container.
    Guaranteed,
    /// Something is asked for.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl Qos {
    /// The word in status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The class of a pod: as the API server wrote it, else computed.
pub(crate) fn qos(pod: &Pod) -> Qos {
    match pod.status.as_ref().and_then(|s| s.qos_class.as_deref()) {
        Some("Guaranteed") => Qos::Guaranteed,
        Some("Burstable") => Qos::Burstable,
        Some("BestEffort") => Qos::BestEffort,
        _ => compute_qos(spec(pod)),
    }
}

fn compute_qos(spec: &PodSpec) -> Qos {
    let all: Vec<_> = spec.containers.iter().chain(spec.init_containers.iter().flatten()).collect();
    let amount = |r: Option<&ResourceRequirements>, request: bool, name: &str| {
        let list = r.and_then(|r| if request { r.requests.as_ref() } else { r.limits.as_ref() });
        list.and_then(|l| l.get(name)).map_or(0, quantity::milli)
    };
    let mut guaranteed = !all.is_empty();
    let mut asks = false;
    for c in all {
        for name in ["cpu", "memory"] {
            let limit = amount(c.resources.as_ref(), false, name);
            let request = amount(c.resources.as_ref(), true, name);
            asks |= limit > 0 || request > 0;
            guaranteed &= limit > 0 && (request == 0 || request == limit);
        }
    }
    match (guaranteed, asks) {
        (true, _) => Qos::Guaranteed,
        (false, true) => Qos::Burstable,
        (false, false) => Qos::BestEffort,
    }
}

#[cfg(test)]
pub(crate) mod testutil {
    use k8s_openapi::api::core::v1::Pod;

    /// A pod from JSON: `spec` and more, over sensible metadata.
    pub(crate) fn pod(over: serde_json::Value) -> Pod {
        let mut base = serde_json::json!({
            "metadata": { "name": "web", "namespace": "default", "uid": "u-1", "generation": 1,
                          "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "nodeName": "node", "containers": [ { "name": "app", "image": "img:1" } ] },
        });
        merge(&mut base, over);
        serde_json::from_value(base).unwrap()
    }

    fn merge(base: &mut serde_json::Value, over: serde_json::Value) {
        match (base, over) {
            (serde_json::Value::Object(base), serde_json::Value::Object(over)) => {
                for (k, v) in over {
                    merge(base.entry(k).or_insert(serde_json::Value::Null), v);
                }
            }
            (base, over) => *base = over,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{testutil::pod, *};

    #[test]
    fn quality_of_service() {
        let with = |resources| pod(json!({"spec": {"containers": [{"name": "app", "resources": resources}]}}));
        assert_eq!(qos(&with(json!({}))), Qos::BestEffort);
        assert_eq!(qos(&with(json!({"requests": {"cpu": "1"}}))), Qos::Burstable);
        assert_eq!(qos(&with(json!({"limits": {"cpu": "1", "memory": "1Gi"}}))), Qos::Guaranteed);
        assert_eq!(
            qos(&with(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}))),
            Qos::Burstable
        );
    }

    #[test]
    fn containers_come_in_starting_order() {
        let p = pod(json!({"spec": {
            "initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}],
            "ephemeralContainers": [{"name": "e"}],
        }}));
        let kinds: Vec<_> = parts(&p).iter().map(|p| (p.name().to_owned(), p.kind)).collect();
        let want = [("a", Kind::Init), ("b", Kind::Sidecar), ("app", Kind::App), ("e", Kind::Ephemeral)];
        assert_eq!(kinds, want.map(|(n, k)| (n.to_owned(), k)));
    }
}
