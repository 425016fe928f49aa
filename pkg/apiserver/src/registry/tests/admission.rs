//! What the plugins make of objects.

use expect_test::expect;

use super::{Lab, User, tree};

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;

#[tokio::test]
async fn a_pod_is_completed() {
    let lab = Lab::new().await;
    let show = "spec.serviceAccountName spec.serviceAccount spec.priority spec.preemptionPolicy spec.tolerations";
    lab.check(&format!("POST {PODS}"), POD, show, expect![[r#"201 "default" "default" 0 "PreemptLowerPriority" [{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}]"#]]).await;
    let pod = tree(lab.ask(&format!("GET {PODS}/p"), "").await.unwrap());
    let [volume] = pod.list_at(&["spec", "volumes"]) else { panic!("one volume") };
    let name = volume.str_at(&["name"]);
    let mounts = pod.list_at(&["spec", "containers"])[0].list_at(&["volumeMounts"]);
    assert_eq!(
        (mounts[0].str_at(&["name"]), mounts[0].str_at(&["mountPath"])),
        (name, "/var/run/secrets/kubernetes.io/serviceaccount")
    );
    assert_eq!(volume.list_at(&["projected", "sources"]).len(), 3);
    let other = POD.replace(r#""spec":{"#, r#""spec":{"serviceAccountName":"x","#).replace("\"p\"", "\"q\"");
    lab.check(&format!("POST {PODS}"), &other, "", expect![[r#"403 Forbidden pods "q" is forbidden: error looking up service account default/x: serviceaccount "x" not found"#]]).await;
}

#[tokio::test]
async fn priority_classes() {
    let lab = Lab::new().await;
    let with = |class: &str, more: &str| {
        POD.replace(r#""spec":{"#, &format!(r#""spec":{{"priorityClassName":"{class}",{more}"#))
    };
    let post = format!("POST {PODS}?dryRun=All");
    lab.check(&post, &with("system-node-critical", ""), "spec.priority", expect!["201 2000001000"]).await;
    lab.check(
        &post,
        &with("none", ""),
        "",
        expect![[r#"403 Forbidden pods "p" is forbidden: no PriorityClass with name none was found"#]],
    )
    .await;
    lab.check(&post, &with("system-node-critical", r#""priority":5,"#), "", expect![[r#"403 Forbidden pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 2000001000 from the given PriorityClass name"#]]).await;
    let class = r#"{"metadata":{"name":"a"},"value":7,"globalDefault":true}"#;
    let classes = "POST /apis/scheduling.k8s.io/v1/priorityclasses";
    lab.ask(classes, class).await.unwrap();
    lab.check(&post, POD, "spec.priority spec.priorityClassName", expect![[r#"201 7 "a""#]]).await;
    lab.check(classes, &class.replace("\"a\"", "\"b\""), "", expect![[r#"403 Forbidden priorityclasses.scheduling.k8s.io "b" is forbidden: PriorityClass a is already marked as default. Only one default can exist"#]]).await;
}

#[tokio::test]
async fn default_classes() {
    let lab = Lab::new().await;
    let annotated = |key: &str| format!(r#"{{"metadata":{{"name":"std","annotations":{{"{key}":"true"}}}}"#);
    let ingress = annotated("ingressclass.kubernetes.io/is-default-class");
    lab.ask("POST /apis/networking.k8s.io/v1/ingressclasses", &format!(r#"{ingress},"spec":{{"controller":"x/y"}}}}"#))
        .await
        .unwrap();
    let storage = annotated("storageclass.kubernetes.io/is-default-class");
    lab.ask("POST /apis/storage.k8s.io/v1/storageclasses", &format!(r#"{storage},"provisioner":"x/y"}}"#))
        .await
        .unwrap();
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let body = r#"{"metadata":{"name":"i"},"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}}"#;
    lab.check(&format!("POST {ingresses}"), body, "spec.ingressClassName", expect![[r#"201 "std""#]]).await;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let claim = r#"{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#;
    lab.check(&format!("POST {claims}"), claim, "spec.storageClassName", expect![[r#"201 "std""#]]).await;
}

#[tokio::test]
async fn a_node_touches_only_its_own() {
    let admin = Lab::new().await;
    for (name, node) in [("p", "n1"), ("q", "n2")] {
        let pod = POD.replace("\"p\"", &format!("{name:?}"));
        admin.ask(&format!("POST {PODS}"), &pod).await.unwrap();
        let binding = format!(r#"{{"metadata":{{"name":"{name}"}},"target":{{"name":"{node}"}}}}"#);
        admin.ask(&format!("POST {PODS}/{name}/binding"), &binding).await.unwrap();
    }
    let lab = admin.with_user(User::new("system:node:n1", &["system:nodes", "system:authenticated"]));
    lab.check(
        "POST /api/v1/nodes",
        r#"{"metadata":{"name":"n1","labels":{"kubernetes.io/os":"linux"}}}"#,
        "spec.taints",
        expect![[r#"201 [{"effect":"NoSchedule","key":"node.kubernetes.io/not-ready"}]"#]],
    )
    .await;
    lab.check(
        "POST /api/v1/nodes",
        r#"{"metadata":{"name":"n2"}}"#,
        "",
        expect![[r#"403 Forbidden nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2""#]],
    )
    .await;
    lab.check(
        "MERGE /api/v1/nodes/n1",
        r#"{"metadata":{"labels":{"node-role.kubernetes.io/x":"y"}}}"#,
        "",
        expect![[
            r#"403 Forbidden nodes "n1" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/x"#
        ]],
    )
    .await;
    lab.check(
        "MERGE /api/v1/nodes/n1",
        r#"{"spec":{"taints":null}}"#,
        "",
        expect![[r#"403 Forbidden nodes "n1" is forbidden: node "n1" is not allowed to modify taints"#]],
    )
    .await;
    lab.check(&format!("POST {PODS}"), POD, "", expect![[r#"403 Forbidden pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods"#]]).await;
    lab.check(
        &format!("MERGE {PODS}/p/status"),
        r#"{"status":{"phase":"Running"}}"#,
        "status.phase",
        expect![[r#"200 "Running""#]],
    )
    .await;
    lab.check(&format!("MERGE {PODS}/q/status"), r#"{"status":{"phase":"Running"}}"#, "", expect![[r#"403 Forbidden pods "q" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself"#]]).await;
    lab.check(
        &format!("DELETE {PODS}/q"),
        "",
        "",
        expect![[
            r#"403 Forbidden pods "q" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself"#
        ]],
    )
    .await;
    lab.check(
        "POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
        r#"{"metadata":{"name":"n1"},"spec":{}}"#,
        "metadata.name",
        expect![[r#"201 "n1""#]],
    )
    .await;
    lab.check(
        "POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
        r#"{"metadata":{"name":"n2"},"spec":{}}"#,
        "",
        expect![[r#"403 Forbidden leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node (lease name: "n2", node name: "n1")"#]],
    )
    .await;
    lab.check(
        "POST /api/v1/namespaces/default/serviceaccounts/default/token",
        r#"{"spec":{}}"#,
        "",
        expect![[r#"403 Forbidden serviceaccounts "default" is forbidden: node requested token not bound to a pod"#]],
    )
    .await;
}
