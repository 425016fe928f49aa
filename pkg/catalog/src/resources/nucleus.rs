//! The core group, and the groups that answer questions about the caller.

use super::row::{Group, Row, Sub};
use crate::Verbs;

const POD_FIELDS: &[(&str, &str)] = &[
    ("spec.nodeName", "spec.nodeName"),
    ("spec.restartPolicy", "spec.restartPolicy"),
    ("spec.schedulerName", "spec.schedulerName"),
    ("spec.serviceAccountName", "spec.serviceAccountName"),
    ("spec.hostNetwork", "spec.hostNetwork"),
    ("status.phase", "status.phase"),
    ("status.podIP", "status.podIP"),
    ("status.podIPs", "status.podIP"),
    ("status.nominatedNodeName", "status.nominatedNodeName"),
];

const POD_SUBRESOURCES: &[Sub] = &[
    Sub::connect("attach", "PodAttachOptions"),
    Sub::of("binding", Verbs::CREATE, "", "v1", "Binding"),
    Sub::own("ephemeralcontainers", Verbs::STATUS),
    Sub::of("eviction", Verbs::CREATE, "policy", "v1", "Eviction"),
    Sub::connect("exec", "PodExecOptions"),
    Sub::own("log", Verbs::GET),
    Sub::connect("portforward", "PodPortForwardOptions"),
    Sub::proxy("PodProxyOptions"),
    Sub::own("resize", Verbs::STATUS),
];

/// Labels in the words of both faces; the second half are those of `events.k8s.io`.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject.kind", "involvedObject.kind"),
    ("involvedObject.namespace", "involvedObject.namespace"),
    ("involvedObject.name", "involvedObject.name"),
    ("involvedObject.uid", "involvedObject.uid"),
    ("involvedObject.apiVersion", "involvedObject.apiVersion"),
    ("involvedObject.resourceVersion", "involvedObject.resourceVersion"),
    ("involvedObject.fieldPath", "involvedObject.fieldPath"),
    ("reason", "reason"),
    ("reportingComponent", "reportingComponent"),
    ("source", "source.component"),
    ("type", "type"),
    ("regarding.kind", "involvedObject.kind"),
    ("regarding.namespace", "involvedObject.namespace"),
    ("regarding.name", "involvedObject.name"),
    ("regarding.uid", "involvedObject.uid"),
    ("regarding.apiVersion", "involvedObject.apiVersion"),
    ("regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("regarding.fieldPath", "involvedObject.fieldPath"),
    ("reportingController", "reportingComponent"),
];

/// All but `deletecollection`.
const NAMESPACE_VERBS: Verbs = Verbs(Verbs::ALL.0 & !Verbs::DELETE_COLLECTION.0);

pub(super) const GROUPS: &[Group] = &[
    Group { group: "", version: "v1", rows: CORE },
    Group {
        group: "authentication.k8s.io",
        version: "v1",
        rows: &[Row::review("SelfSubjectReview", "selfsubjectreviews"), Row::review("TokenReview", "tokenreviews")],
    },
    Group {
        group: "authorization.k8s.io",
        version: "v1",
        rows: &[
            Row::review("LocalSubjectAccessReview", "localsubjectaccessreviews").namespaced(),
            Row::review("SelfSubjectAccessReview", "selfsubjectaccessreviews"),
            Row::review("SelfSubjectRulesReview", "selfsubjectrulesreviews"),
            Row::review("SubjectAccessReview", "subjectaccessreviews"),
        ],
    },
];

const CORE: &[Row] = &[
    Row::review("Binding", "bindings").namespaced(),
    Row::review("ComponentStatus", "componentstatuses").short(&["cs"]).verbs(Verbs::GET.and(Verbs::LIST)),
    Row::new("ConfigMap", "configmaps").short(&["cm"]),
    Row::new("Endpoints", "endpoints").short(&["ep"]).create_on_update(),
    Row::new("Event", "events").short(&["ev"]).create_on_update().selectable(EVENT_FIELDS),
    Row::new("LimitRange", "limitranges").short(&["limits"]).create_on_update(),
    Row::cluster("Namespace", "namespaces")
        .short(&["ns"])
        .verbs(NAMESPACE_VERBS)
        .status(&["spec"])
        .subresources(&[Sub::own("finalize", Verbs::UPDATE).resets(&["status"])])
        .selectable(&[("status.phase", "status.phase")]),
    Row::cluster("Node", "nodes")
        .short(&["no"])
        .status(&["spec"])
        .subresources(&[Sub::proxy("NodeProxyOptions")])
        .selectable(&[("spec.unschedulable", "spec.unschedulable")]),
    Row::new("PersistentVolumeClaim", "persistentvolumeclaims").short(&["pvc"]).status(&["spec"]),
    Row::cluster("PersistentVolume", "persistentvolumes").short(&["pv"]).status(&["spec"]),
    Row::new("Pod", "pods")
        .short(&["po"])
        .categories(&["all"])
        .status(&["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"])
        .subresources(POD_SUBRESOURCES)
        .generation()
        .graceful()
        .selectable(POD_FIELDS),
    Row::new("PodTemplate", "podtemplates").generation(),
    Row::new("ReplicationController", "replicationcontrollers")
        .short(&["rc"])
        .categories(&["all"])
        .status(&["spec"])
        .scale()
        .generation()
        .selectable(&[("status.replicas", "status.replicas")]),
    Row::new("ResourceQuota", "resourcequotas").short(&["quota"]).status(&["spec"]),
    Row::new("Secret", "secrets").selectable(&[("type", "type")]),
    Row::new("ServiceAccount", "serviceaccounts").short(&["sa"]).subresources(&[Sub::of(
        "token",
        Verbs::CREATE,
        "authentication.k8s.io",
        "v1",
        "TokenRequest",
    )]),
    Row::new("Service", "services")
        .short(&["svc"])
        .categories(&["all"])
        .status(&["spec"])
        .subresources(&[Sub::proxy("ServiceProxyOptions")])
        .create_on_update()
        .selectable(&[("spec.clusterIP", "spec.clusterIP"), ("spec.type", "spec.type")]),
];
