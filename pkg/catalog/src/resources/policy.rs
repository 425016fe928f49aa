//! Who may do what, and how much of it: RBAC, certificates, flow control.

use super::row::{Group, Row, Sub};
use crate::Verbs;

pub(super) const GROUPS: &[Group] = &[
    Group {
        group: "certificates.k8s.io",
        version: "v1",
        rows: &[Row::cluster("CertificateSigningRequest", "certificatesigningrequests")
            .short(&["csr"])
            .status(&["spec", "status.conditions"])
            .subresources(&[Sub::own("approval", Verbs::STATUS).resets(&["spec", "status.certificate"])])
            .selectable(&[("spec.signerName", "spec.signerName")])],
    },
    Group {
        group: "flowcontrol.apiserver.k8s.io",
        version: "v1",
        rows: &[
            Row::cluster("FlowSchema", "flowschemas").status(&["metadata", "spec"]).generation(),
            Row::cluster("PriorityLevelConfiguration", "prioritylevelconfigurations")
                .status(&["metadata", "spec"])
                .generation(),
        ],
    },
    Group {
        group: "rbac.authorization.k8s.io",
        version: "v1",
        rows: &[
            Row::cluster("ClusterRoleBinding", "clusterrolebindings").create_on_update(),
            Row::cluster("ClusterRole", "clusterroles").create_on_update(),
            Row::new("RoleBinding", "rolebindings").create_on_update(),
            Row::new("Role", "roles").create_on_update(),
        ],
    },
];
