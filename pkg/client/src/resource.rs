//! Naming resources.

use std::{borrow::Cow, fmt};

/// A resource under one served version: `apps/v1 deployments`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// API group, empty for core.
    pub group: Cow<'static, str>,
    /// Version.
    pub version: Cow<'static, str>,
    /// Plural, lower case.
    pub plural: Cow<'static, str>,
    /// Kind.
    pub kind: Cow<'static, str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    const fn of(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
            kind: Cow::Borrowed(kind),
            namespaced: true,
        }
    }

    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    /// `apps/v1`, or `v1` for core.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The URL path of the collection, in `namespace` if it is not empty.
    pub fn path(&self, namespace: &str) -> String {
        let Self { group, version, plural, .. } = self;
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        match namespace {
            "" => format!("{root}/{plural}"),
            ns => format!("{root}/namespaces/{ns}/{plural}"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.plural) } else { write!(f, "{}.{}", self.plural, self.group) }
    }
}

/// The resources components work with.
pub mod resources {
    #![expect(missing_docs, reason = "the names are Kubernetes' own")]
    use super::Resource;

    pub const NAMESPACES: Resource = Resource::of("", "v1", "namespaces", "Namespace").cluster();
    pub const NODES: Resource = Resource::of("", "v1", "nodes", "Node").cluster();
    pub const PODS: Resource = Resource::of("", "v1", "pods", "Pod");
    pub const SERVICES: Resource = Resource::of("", "v1", "services", "Service");
    pub const ENDPOINTS: Resource = Resource::of("", "v1", "endpoints", "Endpoints");
    pub const CONFIG_MAPS: Resource = Resource::of("", "v1", "configmaps", "ConfigMap");
    pub const SECRETS: Resource = Resource::of("", "v1", "secrets", "Secret");
    pub const SERVICE_ACCOUNTS: Resource = Resource::of("", "v1", "serviceaccounts", "ServiceAccount");
    pub const EVENTS: Resource = Resource::of("", "v1", "events", "Event");
    pub const PERSISTENT_VOLUMES: Resource = Resource::of("", "v1", "persistentvolumes", "PersistentVolume").cluster();
    pub const PERSISTENT_VOLUME_CLAIMS: Resource =
        Resource::of("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
    pub const REPLICATION_CONTROLLERS: Resource =
        Resource::of("", "v1", "replicationcontrollers", "ReplicationController");
    pub const DEPLOYMENTS: Resource = Resource::of("apps", "v1", "deployments", "Deployment");
    pub const REPLICA_SETS: Resource = Resource::of("apps", "v1", "replicasets", "ReplicaSet");
    pub const STATEFUL_SETS: Resource = Resource::of("apps", "v1", "statefulsets", "StatefulSet");
    pub const DAEMON_SETS: Resource = Resource::of("apps", "v1", "daemonsets", "DaemonSet");
    pub const CONTROLLER_REVISIONS: Resource = Resource::of("apps", "v1", "controllerrevisions", "ControllerRevision");
    pub const JOBS: Resource = Resource::of("batch", "v1", "jobs", "Job");
    pub const CRON_JOBS: Resource = Resource::of("batch", "v1", "cronjobs", "CronJob");
    pub const HORIZONTAL_POD_AUTOSCALERS: Resource =
        Resource::of("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
    pub const LEASES: Resource = Resource::of("coordination.k8s.io", "v1", "leases", "Lease");
    pub const ENDPOINT_SLICES: Resource = Resource::of("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");
    pub const POD_METRICS: Resource = Resource::of("metrics.k8s.io", "v1beta1", "pods", "PodMetrics");
    pub const INGRESSES: Resource = Resource::of("networking.k8s.io", "v1", "ingresses", "Ingress");
    pub const INGRESS_CLASSES: Resource =
        Resource::of("networking.k8s.io", "v1", "ingressclasses", "IngressClass").cluster();
    pub const STORAGE_CLASSES: Resource =
        Resource::of("storage.k8s.io", "v1", "storageclasses", "StorageClass").cluster();
    pub const RESOURCE_QUOTAS: Resource = Resource::of("", "v1", "resourcequotas", "ResourceQuota");
    pub const NETWORK_POLICIES: Resource = Resource::of("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy");
    pub const POD_DISRUPTION_BUDGETS: Resource =
        Resource::of("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");
    pub const PRIORITY_CLASSES: Resource =
        Resource::of("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass").cluster();
    pub const CLUSTER_ROLES: Resource =
        Resource::of("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole").cluster();
    pub const CLUSTER_ROLE_BINDINGS: Resource =
        Resource::of("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding").cluster();
    pub const TOKEN_REVIEWS: Resource =
        Resource::of("authentication.k8s.io", "v1", "tokenreviews", "TokenReview").cluster();
    pub const SUBJECT_ACCESS_REVIEWS: Resource =
        Resource::of("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview").cluster();
    pub const CERTIFICATE_SIGNING_REQUESTS: Resource =
        Resource::of("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest").cluster();
}
