//! What facts cannot say, one module per topic: hooks and `kubectl get` columns.

mod columns;
mod defaults;
mod rules;
mod tree;

use std::sync::Arc;

use knarr_api::names::{dns1035_label, dns1123_label, dns1123_subdomain, path_segment_name};

use crate::{Column, Hooks};
use rules::Rules;

/// The hooks of a resource.
pub(crate) fn hooks_for(group: &str, plural: &str) -> Arc<dyn Hooks> {
    Arc::new(rules_of(group, plural))
}

/// The columns of a resource.
pub(crate) fn columns_for(group: &str, plural: &str) -> Vec<Column> {
    columns::of(group, plural)
}

fn rules_of(group: &str, plural: &str) -> Rules {
    let subdomain = Rules::named(dns1123_subdomain);
    match (group, plural) {
        ("", "pods") => subdomain.default(defaults::pod),
        ("", "podtemplates") => subdomain.default(defaults::pod_template),
        ("", "services") => Rules::named(dns1035_label).default(defaults::service),
        ("", "namespaces") => Rules::named(dns1123_label).default(defaults::namespace),
        ("", "nodes") => subdomain.default(defaults::node),
        ("", "persistentvolumes") => subdomain.default(defaults::persistent_volume),
        ("", "persistentvolumeclaims") => subdomain.default(defaults::persistent_volume_claim),
        ("", "replicationcontrollers") => subdomain.default(defaults::replication_controller),
        ("", "resourcequotas") => subdomain.default(defaults::resource_quota),
        ("", "limitranges") => subdomain.default(defaults::limit_range),
        ("", "secrets") => subdomain.default(defaults::secret),
        ("apps", "deployments") => subdomain.default(defaults::deployment),
        ("apps", "replicasets") => subdomain.default(defaults::replica_set),
        ("apps", "daemonsets") => subdomain.default(defaults::daemon_set),
        ("apps", "statefulsets") => subdomain.default(defaults::stateful_set),
        ("batch", "jobs") => subdomain.default(defaults::job),
        ("batch", "cronjobs") => subdomain.default(defaults::cron_job),
        ("autoscaling", "horizontalpodautoscalers") => subdomain.default(defaults::autoscaler),
        ("networking.k8s.io", "networkpolicies") => subdomain.default(defaults::network_policy),
        ("networking.k8s.io", "ingressclasses") => subdomain.default(defaults::ingress_class),
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => Rules::named(path_segment_name),
        ("rbac.authorization.k8s.io", _) => Rules::named(path_segment_name).default(defaults::binding),
        ("apiextensions.k8s.io", "customresourcedefinitions") => subdomain.default(defaults::custom_resource_definition),
        ("resource.k8s.io", "resourceclaims") => subdomain.default(defaults::claim),
        ("resource.k8s.io", "resourceclaimtemplates") => subdomain.default(defaults::claim_template),
        _ => subdomain,
    }
}
