//! Claims and volumes.

use super::*;
use crate::{ClaimInfo, ClassInfo, VolumeInfo};

fn cluster(claims: &[Value]) -> Snapshot {
    let mut all = Snapshot::new([node("a", json!({})), node("b", json!({}))], []);
    for claim in claims {
        let object = object(claim);
        let key = knarr_client::Key::of(&object);
        all.claims.insert(key, ClaimInfo::project(&object).unwrap());
    }
    let local = json!({"metadata": {"name": "v"}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms":
        [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]}]}]}}}});
    all.volumes.insert("v".into(), VolumeInfo::project(&object(&local)).unwrap());
    let late = json!({"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"});
    all.classes.insert("late".into(), ClassInfo::project(&object(&late)).unwrap());
    all
}

fn claim(spec: Value, status: Value) -> Value {
    json!({"metadata": {"name": "c", "namespace": "d"}, "spec": spec, "status": status})
}

fn user(name: &str) -> PodInfo {
    pod(name, json!({}), json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}))
}

#[test]
fn claims_decide() {
    let bound = json!({"phase": "Bound"});
    for (claims, want) in [
        (vec![], r#"0/2 nodes are available: persistentvolumeclaim "c" not found."#),
        (
            vec![claim(json!({}), json!({}))],
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        ),
        (
            vec![claim(json!({"storageClassName": "late"}), json!({}))],
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.",
        ),
        (vec![claim(json!({"volumeName": "v"}), bound.clone())], "b"),
        (
            vec![claim(json!({"volumeName": "gone"}), bound)],
            "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
        ),
        (
            vec![claim(json!({"volumeName": "v"}), json!({"phase": "Lost"}))],
            r#"0/2 nodes are available: persistentvolumeclaim "c" bound to non-existent persistentvolume "v"."#,
        ),
    ] {
        assert_eq!(place(&user("p"), &cluster(&claims)), want, "{claims:?}");
    }
    let own = pod("p", json!({}), json!({"volumes": [{"name": "v", "ephemeral": {}}]}));
    let why = r#"0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"."#;
    assert_eq!(place(&own, &cluster(&[])), why);
}

#[test]
fn one_pod_at_a_time() {
    let mine = claim(json!({"volumeName": "v", "accessModes": ["ReadWriteOncePod"]}), json!({"phase": "Bound"}));
    let mut all = cluster(&[mine]);
    assert_eq!(place(&user("p"), &all), "b");
    all.place(Arc::new(user("q").on("b")));
    let why = "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access \
               mode already in-use by another pod.";
    assert_eq!(place(&user("p"), &all), why);
}
