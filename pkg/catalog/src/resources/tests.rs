//! The tables against each other.

use std::collections::BTreeSet;

use expect_test::expect;
use knarr_api::value;

use super::resources;
use crate::{Verbs, kind};

#[test]
fn every_subresource_document_is_a_kind_and_every_path_a_member() {
    for resource in resources() {
        let ty = resource.faces[resource.storage].schema.ty();
        let subs = resource.subresources.iter();
        for sub in subs.clone().filter(|s| !s.kind.is_empty()) {
            assert!(kind(&sub.group, &sub.version, &sub.kind).is_some(), "{}/{}", resource.plural, sub.name);
        }
        let resets = resource.resets.iter().chain(subs.flat_map(|s| &s.resets));
        for path in resets.chain(resource.selectable.iter().map(|(_, path)| path)) {
            let found = path.split('.').try_fold(ty, |ty, name| ty.field(name).map(|f| f.ty()));
            assert!(found.is_some(), "{} has no {path}", resource.plural);
        }
    }
}

#[test]
fn lists_are_kinds_too() {
    for resource in resources().into_iter().filter(|r| r.verbs.has(Verbs::LIST)) {
        for face in &resource.faces {
            assert!(kind(&face.group, &face.version, &format!("{}List", resource.kind)).is_some(), "{}", resource.kind);
        }
    }
}

#[test]
fn names_are_unique_in_a_group() {
    let mut seen = BTreeSet::new();
    for resource in resources() {
        for face in &resource.faces {
            assert!(seen.insert((face.group.clone(), face.version.clone(), resource.plural.clone())));
        }
    }
}

/// What discovery would say, in short: a change of this list is a change of what clients see.
#[test]
fn the_served_api() {
    let mut out = String::new();
    for r in resources() {
        let faces: Vec<String> = r.faces.iter().map(|f| format!("{}/{}", f.group, f.version)).collect();
        let verbs = |v: Verbs| if v == Verbs::ALL { "*".to_owned() } else { v.words().collect::<Vec<_>>().join(",") };
        let scope = if r.namespaced { "namespaced" } else { "cluster" };
        let stored = if r.stored { "" } else { " virtual" };
        out += &format!("{} {} {scope}{stored} {}\n", faces.join(" "), r.plural, verbs(r.verbs));
        for s in &r.subresources {
            out += &format!("  {} {} {}\n", s.name, s.kind, verbs(s.verbs));
        }
    }
    expect![[r#"
        /v1 bindings namespaced virtual create
        /v1 componentstatuses cluster virtual get,list
        /v1 configmaps namespaced *
        /v1 endpoints namespaced *
        /v1 events.k8s.io/v1 events namespaced *
        /v1 limitranges namespaced *
        /v1 namespaces cluster create,delete,get,list,patch,update,watch
          finalize  update
          status  get,patch,update
        /v1 nodes cluster *
          proxy NodeProxyOptions create,delete,get,patch,update
          status  get,patch,update
        /v1 persistentvolumeclaims namespaced *
          status  get,patch,update
        /v1 persistentvolumes cluster *
          status  get,patch,update
        /v1 pods namespaced *
          attach PodAttachOptions create,get
          binding Binding create
          ephemeralcontainers  get,patch,update
          eviction Eviction create
          exec PodExecOptions create,get
          log  get
          portforward PodPortForwardOptions create,get
          proxy PodProxyOptions create,delete,get,patch,update
          resize  get,patch,update
          status  get,patch,update
        /v1 podtemplates namespaced *
        /v1 replicationcontrollers namespaced *
          scale Scale get,patch,update
          status  get,patch,update
        /v1 resourcequotas namespaced *
          status  get,patch,update
        /v1 secrets namespaced *
        /v1 serviceaccounts namespaced *
          token TokenRequest create
        /v1 services namespaced *
          proxy ServiceProxyOptions create,delete,get,patch,update
          status  get,patch,update
        authentication.k8s.io/v1 selfsubjectreviews cluster virtual create
        authentication.k8s.io/v1 tokenreviews cluster virtual create
        authorization.k8s.io/v1 localsubjectaccessreviews namespaced virtual create
        authorization.k8s.io/v1 selfsubjectaccessreviews cluster virtual create
        authorization.k8s.io/v1 selfsubjectrulesreviews cluster virtual create
        authorization.k8s.io/v1 subjectaccessreviews cluster virtual create
        apps/v1 controllerrevisions namespaced *
        apps/v1 daemonsets namespaced *
          status  get,patch,update
        apps/v1 deployments namespaced *
          scale Scale get,patch,update
          status  get,patch,update
        apps/v1 replicasets namespaced *
          scale Scale get,patch,update
          status  get,patch,update
        apps/v1 statefulsets namespaced *
          scale Scale get,patch,update
          status  get,patch,update
        autoscaling/v2 autoscaling/v1 horizontalpodautoscalers namespaced *
          status  get,patch,update
        batch/v1 cronjobs namespaced *
          status  get,patch,update
        batch/v1 jobs namespaced *
          status  get,patch,update
        policy/v1 poddisruptionbudgets namespaced *
          status  get,patch,update
        scheduling.k8s.io/v1 priorityclasses cluster *
        certificates.k8s.io/v1 certificatesigningrequests cluster *
          approval  get,patch,update
          status  get,patch,update
        flowcontrol.apiserver.k8s.io/v1 flowschemas cluster *
          status  get,patch,update
        flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations cluster *
          status  get,patch,update
        rbac.authorization.k8s.io/v1 clusterrolebindings cluster *
        rbac.authorization.k8s.io/v1 clusterroles cluster *
        rbac.authorization.k8s.io/v1 rolebindings namespaced *
        rbac.authorization.k8s.io/v1 roles namespaced *
        coordination.k8s.io/v1 leases namespaced *
        discovery.k8s.io/v1 endpointslices namespaced *
        networking.k8s.io/v1 ingressclasses cluster *
        networking.k8s.io/v1 ingresses namespaced *
          status  get,patch,update
        networking.k8s.io/v1 ipaddresses cluster *
        networking.k8s.io/v1 networkpolicies namespaced *
        networking.k8s.io/v1 servicecidrs cluster *
          status  get,patch,update
        node.k8s.io/v1 runtimeclasses cluster *
        resource.k8s.io/v1 deviceclasses cluster *
        resource.k8s.io/v1 resourceclaims namespaced *
          status  get,patch,update
        resource.k8s.io/v1 resourceclaimtemplates namespaced *
        resource.k8s.io/v1 resourceslices cluster *
        storage.k8s.io/v1 csidrivers cluster *
        storage.k8s.io/v1 csinodes cluster *
        storage.k8s.io/v1 csistoragecapacities namespaced *
        storage.k8s.io/v1 storageclasses cluster *
        storage.k8s.io/v1 volumeattachments cluster *
          status  get,patch,update
        storage.k8s.io/v1 volumeattributesclasses cluster *
        admissionregistration.k8s.io/v1 mutatingadmissionpolicies cluster *
        admissionregistration.k8s.io/v1 mutatingadmissionpolicybindings cluster *
        admissionregistration.k8s.io/v1 mutatingwebhookconfigurations cluster *
        admissionregistration.k8s.io/v1 validatingadmissionpolicies cluster *
          status  get,patch,update
        admissionregistration.k8s.io/v1 validatingadmissionpolicybindings cluster *
        admissionregistration.k8s.io/v1 validatingwebhookconfigurations cluster *
        apiextensions.k8s.io/v1 customresourcedefinitions cluster *
          status  get,patch,update
        apiregistration.k8s.io/v1 apiservices cluster *
          status  get,patch,update
        metrics.k8s.io/v1beta1 nodes cluster virtual get,list
        metrics.k8s.io/v1beta1 pods namespaced virtual get,list
    "#]]
    .assert_eq(&out);
}

#[test]
fn selectors_see_go_zero_values() {
    let all = resources();
    let find = |plural: &str| all.iter().find(|r| r.plural == plural).unwrap();
    let object = value!({ "metadata": { "name": "a", "namespace": "b" }, "status": { "phase": "Running" } });
    let selected = |plural: &str, label: &str| find(plural).selected(&object, label).map(|v| v.into_owned());
    let cases = [
        ("pods", "metadata.name", Some("a")),
        ("pods", "metadata.namespace", Some("b")),
        ("pods", "status.phase", Some("Running")),
        ("pods", "spec.nodeName", Some("")),
        ("pods", "spec.hostNetwork", Some("false")),
        ("pods", "spec.hostname", None),
        ("nodes", "spec.unschedulable", Some("false")),
        ("nodes", "metadata.namespace", None),
        ("jobs", "status.successful", Some("0")),
    ];
    for (plural, label, value) in cases {
        assert_eq!(selected(plural, label).as_deref(), value, "{plural} {label}");
    }
    let event = value!({ "reportingComponent": "kubelet" });
    assert_eq!(find("events").selected(&event, "source").as_deref(), Some("kubelet"));
}
