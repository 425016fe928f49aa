//! What an object costs.

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use crate::{
    Str,
    demand::{PodDemand, Requirements, ResourceList},
    quantity::{Format, Quantity},
};

/// How objects of a resource are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    rule: Rule,
    /// `count/deployments.apps`.
    count: Str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Rule {
    Pod,
    Service,
    Claim,
    /// Only their number counts, for some also under a name of its own.
    Number(Option<&'static str>),
}

/// The cost of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Amounts by the names quotas use.
    pub usage: ResourceList,
    /// What scopes ask for; `None` for kinds that have no scopes.
    pub facts: Option<Facts>,
    /// Containers that do not say how much of a resource they want although a quota needs to know: name of the resource
    /// and of the container.
    pub(super) unsaid: Vec<(&'static str, Str)>,
}

/// The properties scopes select by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub(super) pod: bool,
    pub(super) terminating: bool,
    pub(super) best_effort: bool,
    pub(super) cross_namespace: bool,
    pub(super) priority_class: Option<Str>,
    pub(super) attributes_class: Option<Str>,
}

const CLASS: &str = ".storageclass.storage.k8s.io/";
/// Resources whose quota demands that each container says what it wants.
const TO_SAY: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

impl Kind {
    /// How `plural` of `group` is counted.
    pub fn of(group: &str, plural: &str) -> Self {
        let rule = match (group, plural) {
            ("", "pods") => Rule::Pod,
            ("", "services") => Rule::Service,
            ("", "persistentvolumeclaims") => Rule::Claim,
            ("", "configmaps") => Rule::Number(Some("configmaps")),
            ("", "resourcequotas") => Rule::Number(Some("resourcequotas")),
            ("", "replicationcontrollers") => Rule::Number(Some("replicationcontrollers")),
            ("", "secrets") => Rule::Number(Some("secrets")),
            _ => Rule::Number(None),
        };
        let count = if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") };
        Self { rule, count: count.into() }
    }

    /// Whether a limit of this name is about objects of the kind.
    pub fn counts(&self, name: &str) -> bool {
        name == self.count
            || match self.rule {
                Rule::Pod => is_pod_resource(name),
                Rule::Service => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
                Rule::Claim => {
                    let plain = name.split_once(CLASS).map_or(name, |(_, resource)| resource);
                    matches!(plain, "persistentvolumeclaims" | "requests.storage")
                }
                Rule::Number(alias) => alias == Some(name),
            }
    }

    /// Whether a change of an object can change its cost.
    pub fn may_change(&self) -> bool {
        !matches!(self.rule, Rule::Number(_))
    }

    /// The cost of an object.
    ///
    /// # Errors
    /// It does not have the shape of its kind.
    pub fn charge<'de, D: Deserializer<'de>>(&self, object: D) -> Result<Charge, D::Error> {
        let mut charge = match self.rule {
            Rule::Pod => pod(&Pod::deserialize(object)?),
            Rule::Service => service(&Service::deserialize(object)?),
            Rule::Claim => claim(&Claim::deserialize(object)?),
            Rule::Number(alias) => {
                IgnoredAny::deserialize(object)?;
                let usage = alias.map(|name| (name.into(), one())).into_iter().collect();
                Charge { usage, ..Charge::default() }
            }
        };
        charge.usage.insert(self.count.clone(), one());
        Ok(charge)
    }
}

fn one() -> Quantity {
    Quantity::new(1, Format::DecimalSi)
}

/// Names of a pod's resources in quotas: `cpu`, `requests.cpu`, `limits.cpu`, `requests.example.com/gpu`, ….
fn is_pod_resource(name: &str) -> bool {
    let bare = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
    name == "pods"
        || matches!(bare, "cpu" | "memory" | "ephemeral-storage")
        || (bare.starts_with("hugepages-") && !name.starts_with("limits."))
        || name.strip_prefix("requests.").is_some_and(is_extended)
}

/// Whether it is a resource of a domain that is not Kubernetes' own.
fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| {
        domain == "deviceclass.resource.kubernetes.io"
            || !(domain == "kubernetes.io" || domain.ends_with(".kubernetes.io"))
    })
}

#[derive(Deserialize)]
struct Pod {
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: Phase,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    active_deadline_seconds: Option<i64>,
    priority_class_name: Str,
    affinity: Affinity,
    containers: Vec<crate::demand::ContainerDemand>,
    init_containers: Vec<crate::demand::ContainerDemand>,
    resources: Requirements,
    overhead: ResourceList,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Phase {
    phase: Str,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Affinity {
    pod_affinity: Terms,
    pod_anti_affinity: Terms,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Terms {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Vec<Term>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<Weighted>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Weighted {
    pod_affinity_term: Term,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Term {
    namespaces: Vec<Str>,
    namespace_selector: Option<IgnoredAny>,
}

impl Terms {
    fn crosses(&self) -> bool {
        let crosses = |t: &Term| !t.namespaces.is_empty() || t.namespace_selector.is_some();
        self.required.iter().any(crosses) || self.preferred.iter().any(|w| crosses(&w.pod_affinity_term))
    }
}

fn pod(pod: &Pod) -> Charge {
    let spec = &pod.spec;
    let demand = PodDemand {
        containers: spec.containers.clone(),
        init_containers: spec.init_containers.clone(),
        resources: spec.resources.clone(),
        overhead: spec.overhead.clone(),
    };
    let facts = Facts {
        pod: true,
        terminating: spec.active_deadline_seconds.is_some_and(|s| s >= 0),
        best_effort: is_best_effort(&demand),
        cross_namespace: spec.affinity.pod_affinity.crosses() || spec.affinity.pod_anti_affinity.crosses(),
        priority_class: Some(spec.priority_class_name.clone()).filter(|c| !c.is_empty()),
        attributes_class: None,
    };
    let mut charge = Charge { facts: Some(facts), ..Charge::default() };
    // What has ended is only an object; it takes nothing.
    if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
        return charge;
    }
    charge.usage = computed(&demand.requests(), &demand.limits());
    charge.usage.insert("pods".into(), one());
    if !demand.is_pod_level() {
        for container in demand.all() {
            let said = computed(&container.resources.requests, &container.resources.limits);
            let missing = TO_SAY.into_iter().filter(|name| !said.contains_key(*name));
            charge.unsaid.extend(missing.map(|name| (name, container.name.clone())));
        }
    }
    charge
}

fn computed(requests: &ResourceList, limits: &ResourceList) -> ResourceList {
    let mut usage = ResourceList::new();
    for (name, amount) in requests {
        let common = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if common {
            usage.insert(name.clone(), *amount);
        }
        if common || is_extended(name) {
            usage.insert(format!("requests.{name}").into(), *amount);
        }
    }
    let limited = limits.iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage"));
    usage.extend(limited.map(|(name, amount)| (format!("limits.{name}").into(), *amount)));
    usage
}

/// Neither requests nor limits of CPU or memory.
fn is_best_effort(demand: &PodDemand) -> bool {
    let asks = |r: &Requirements| {
        let mut both = r.requests.iter().chain(&r.limits);
        both.any(|(name, amount)| matches!(name.as_str(), "cpu" | "memory") && *amount > Quantity::ZERO)
    };
    !asks(&demand.resources) && !demand.all().any(|c| asks(&c.resources))
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: Str,
    ports: Vec<Port>,
    allocate_load_balancer_node_ports: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    node_port: i64,
}

fn service(service: &Service) -> Charge {
    let spec = &service.spec;
    let balanced = spec.kind == "LoadBalancer";
    let ports = match spec.kind.as_str() {
        "LoadBalancer" if spec.allocate_load_balancer_node_ports == Some(false) => {
            spec.ports.iter().filter(|p| p.node_port != 0).count()
        }
        "NodePort" | "LoadBalancer" => spec.ports.len(),
        _ => 0,
    };
    let number = |n: usize| Quantity::new(i64::try_from(n).unwrap_or(i64::MAX), Format::DecimalSi);
    let usage = [
        ("services", one()),
        ("services.loadbalancers", number(balanced.into())),
        ("services.nodeports", number(ports)),
    ];
    Charge { usage: usage.map(|(name, n)| (name.into(), n)).into(), ..Charge::default() }
}

#[derive(Deserialize)]
struct Claim {
    metadata: Annotated,
    #[serde(default)]
    spec: ClaimSpec,
    #[serde(default)]
    status: ClaimState,
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: std::collections::BTreeMap<Str, Str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSpec {
    storage_class_name: Str,
    volume_attributes_class_name: Option<Str>,
    resources: Requirements,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClaimState {
    allocated_resources: ResourceList,
}

fn claim(claim: &Claim) -> Charge {
    let mut usage = ResourceList::from([("persistentvolumeclaims".into(), one())]);
    let storage = claim.spec.resources.requests.get("storage").map(|asked| {
        let given = claim.status.allocated_resources.get("storage");
        // Quotas count whole bytes.
        let most = given.filter(|g| *g > asked).unwrap_or(asked);
        Quantity::new(most.value(), most.format())
    });
    usage.extend(storage.map(|amount| ("requests.storage".into(), amount)));
    let annotated = claim.metadata.annotations.get("volume.beta.kubernetes.io/storage-class");
    let class = annotated.unwrap_or(&claim.spec.storage_class_name);
    if !class.is_empty() {
        let by_class: Vec<_> = usage.iter().map(|(name, n)| (Str::from(format!("{class}{CLASS}{name}")), *n)).collect();
        usage.extend(by_class);
    }
    let attributes_class = claim.spec.volume_attributes_class_name.clone().filter(|c| !c.is_empty());
    Charge { usage, facts: Some(Facts { attributes_class, ..Facts::default() }), unsaid: Vec::new() }
}
