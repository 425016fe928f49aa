//! What facts cannot say, one module per topic: hooks and `kubectl get` columns.
//!
//! A kind is a row of [`rules_of`] that names the functions it has; the topics keep one file per group of kinds.

mod columns;
mod defaults;
mod prepare;
mod rules;
mod spot;
#[cfg(test)]
mod testing;
mod tree;
mod validate;
mod warnings;

use std::sync::Arc;

use knarr_api::names::{dns1123_label, dns1123_subdomain, path_segment_name};
use knarr_api::same;

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

/// Names that are DNS subdomains, which most are.
const SUBDOMAIN: Rules = Rules::named(dns1123_subdomain);
/// Names that are DNS labels.
const LABEL: Rules = Rules::named(dns1123_label);
/// Names that are anything a path can hold.
const SEGMENT: Rules = Rules::named(path_segment_name);

fn rules_of(group: &str, plural: &str) -> Rules {
    match group {
        "" => core(plural),
        "apps" | "batch" | "autoscaling" | "policy" => workloads(plural),
        "networking.k8s.io" | "discovery.k8s.io" => network(plural),
        "rbac.authorization.k8s.io" => access(plural),
        _ => cluster(group, plural),
    }
}

fn core(plural: &str) -> Rules {
    use {defaults as d, prepare as p, validate as v};
    match plural {
        "pods" => SUBDOMAIN
            .default(d::pod)
            .create(p::create_pod)
            .update(p::update_pod)
            .validate(v::pod)
            .validate_update(v::pod_update)
            .warnings(warnings::pod)
            .grace(p::grace_period),
        "podtemplates" => SUBDOMAIN.default(d::pod_template).validate(v::pod_template),
        "services" => {
            LABEL.default(d::service).update(p::update_service).validate(v::service).validate_update(v::service_update)
        }
        "namespaces" => LABEL.default(d::namespace).validate(v::namespace).validate_update(v::namespace_update),
        "nodes" => SUBDOMAIN.default(d::node).validate(v::node).validate_update(v::node_update),
        "persistentvolumes" => SUBDOMAIN
            .default(d::persistent_volume)
            .create(p::create_volume)
            .validate(v::volume)
            .validate_update(v::volume_update),
        "persistentvolumeclaims" => SUBDOMAIN
            .default(d::persistent_volume_claim)
            .create(p::create_claim)
            .update(p::update_claim)
            .validate(v::claim)
            .validate_update(v::claim_update),
        "replicationcontrollers" => SUBDOMAIN
            .default(d::replication_controller)
            .validate(v::replication_controller)
            .warnings(warnings::template),
        "resourcequotas" => {
            SUBDOMAIN.default(d::resource_quota).validate(v::resource_quota).validate_update(v::resource_quota_update)
        }
        "limitranges" => SUBDOMAIN.default(d::limit_range).validate(v::limit_range),
        "configmaps" => SUBDOMAIN.validate(v::config_map).validate_update(v::config_map_update),
        "secrets" => SUBDOMAIN.default(d::secret).validate(v::secret).validate_update(v::secret_update),
        "endpoints" => SUBDOMAIN.validate(v::endpoints),
        "events" => SUBDOMAIN.validate(v::event),
        _ => SUBDOMAIN,
    }
}

fn workloads(plural: &str) -> Rules {
    use {defaults as d, prepare as p, validate as v};
    match plural {
        "deployments" => SUBDOMAIN
            .default(d::deployment)
            .validate(v::deployment)
            .validate_update(v::selector_update)
            .warnings(warnings::template),
        "replicasets" => SUBDOMAIN
            .default(d::replica_set)
            .validate(v::replica_set)
            .validate_update(v::selector_update)
            .warnings(warnings::template),
        "daemonsets" => SUBDOMAIN
            .default(d::daemon_set)
            .create(p::create_daemon_set)
            .update(p::update_daemon_set)
            .validate(v::daemon_set)
            .validate_update(v::daemon_set_update)
            .warnings(warnings::template),
        "statefulsets" => LABEL
            .default(d::stateful_set)
            .validate(v::stateful_set)
            .validate_update(v::stateful_set_update)
            .warnings(warnings::template),
        "controllerrevisions" => SUBDOMAIN.validate(v::revision).validate_update(v::revision_update),
        "jobs" => SUBDOMAIN
            .default(d::job)
            .create(p::create_job)
            .validate(v::job)
            .validate_update(v::job_update)
            .warnings(warnings::template),
        "cronjobs" => SUBDOMAIN.default(d::cron_job).validate(v::cron_job),
        "horizontalpodautoscalers" => {
            SUBDOMAIN.default(d::autoscaler).validate(v::autoscaler).validate_update(v::autoscaler_update)
        }
        "poddisruptionbudgets" => SUBDOMAIN.validate(v::disruption_budget).validate_update(v::disruption_budget_update),
        _ => SUBDOMAIN,
    }
}

fn network(plural: &str) -> Rules {
    use {defaults as d, validate as v};
    match plural {
        "ingresses" => SUBDOMAIN.validate(v::ingress).validate_update(v::ingress_update),
        "ingressclasses" => {
            SUBDOMAIN.default(d::ingress_class).validate(v::ingress_class).validate_update(v::ingress_class_update)
        }
        "networkpolicies" => SUBDOMAIN.default(d::network_policy).validate(v::network_policy),
        "endpointslices" => SUBDOMAIN.validate(v::slice).validate_update(v::slice_update),
        // An address is its own name.
        "ipaddresses" => SEGMENT,
        _ => SUBDOMAIN,
    }
}

fn access(plural: &str) -> Rules {
    use {defaults as d, validate as v};
    match plural {
        "roles" => SEGMENT.validate(v::role),
        "clusterroles" => SEGMENT.validate(v::cluster_role),
        "rolebindings" => SEGMENT.default(d::binding).validate(v::role_binding).validate_update(v::binding_update),
        _ => SEGMENT.default(d::binding).validate(v::cluster_role_binding).validate_update(v::binding_update),
    }
}

fn cluster(group: &str, plural: &str) -> Rules {
    use {defaults as d, prepare as p, validate as v};
    match (group, plural) {
        ("coordination.k8s.io", "leases") => SUBDOMAIN.validate(v::lease),
        ("certificates.k8s.io", "certificatesigningrequests") => SEGMENT.update(p::certificate_request),
        ("scheduling.k8s.io", "priorityclasses") => {
            SUBDOMAIN.validate(v::priority_class).validate_update(v::priority_class_update)
        }
        ("storage.k8s.io", "storageclasses") => {
            SUBDOMAIN.validate(v::storage_class).validate_update(v::storage_class_update)
        }
        ("node.k8s.io", "runtimeclasses") => SUBDOMAIN.validate(v::runtime_class),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            SUBDOMAIN.default(d::custom_resource_definition).create(p::create_definition).update(p::update_definition)
        }
        ("apiregistration.k8s.io", "apiservices") => SEGMENT,
        ("flowcontrol.apiserver.k8s.io", _) => SUBDOMAIN,
        ("resource.k8s.io", "resourceclaims") => SUBDOMAIN.default(d::claim),
        ("resource.k8s.io", "resourceclaimtemplates") => SUBDOMAIN.default(d::claim_template),
        _ => SUBDOMAIN,
    }
}
