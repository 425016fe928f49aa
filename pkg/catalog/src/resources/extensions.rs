//! What extends the API: admission, custom resources, aggregated servers.

use super::row::{Group, Row};

const CATEGORY: &[&str] = &["api-extensions"];

/// A cluster-wide kind of this file: in its category, counted in generations.
const fn extension(kind: &'static str, plural: &'static str) -> Row {
    Row::cluster(kind, plural).categories(CATEGORY).generation().conditional_update()
}

pub(super) const GROUPS: &[Group] = &[
    Group {
        group: "admissionregistration.k8s.io",
        version: "v1",
        rows: &[
            extension("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            extension("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
            extension("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
            extension("ValidatingAdmissionPolicy", "validatingadmissionpolicies").status(&["metadata", "spec"]),
            extension("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
            extension("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        ],
    },
    Group {
        group: "apiextensions.k8s.io",
        version: "v1",
        rows: &[extension("CustomResourceDefinition", "customresourcedefinitions")
            .short(&["crd", "crds"])
            .status(&["metadata", "spec"])],
    },
    Group {
        group: "apiregistration.k8s.io",
        version: "v1",
        rows: &[Row::cluster("APIService", "apiservices")
            .categories(CATEGORY)
            .status(&["metadata", "spec"])
            .conditional_update()],
    },
];
