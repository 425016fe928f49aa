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

#[tokio::test]
async fn limit_ranges() {
    let lab = Lab::new().await;
    let range = r#"{"metadata":{"name":"l"},"spec":{"limits":[
        {"type":"Container","defaultRequest":{"cpu":"50m"},"default":{"cpu":"100m"},"max":{"cpu":"1"}},
        {"type":"PersistentVolumeClaim","max":{"storage":"1Gi"}}]}}"#;
    lab.ask("POST /api/v1/namespaces/default/limitranges", range).await.unwrap();
    let post = format!("POST {PODS}?dryRun=All");
    let show = "spec.containers metadata.annotations";
    let made = tree(lab.ask(&post, POD).await.unwrap());
    let resources = made.list_at(&["spec", "containers"])[0].get("resources").cloned().unwrap_or_default();
    assert_eq!(
        (resources.str_at(&["limits", "cpu"]), resources.str_at(&["requests", "cpu"])),
        ("100m", "50m"),
        "{show}"
    );
    assert_eq!(
        made.str_at(&["metadata", "annotations", "kubernetes.io/limit-ranger"]),
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );
    let much =
        POD.replace(r#""image":"i""#, r#""image":"i","resources":{"limits":{"cpu":"2"},"requests":{"cpu":"2"}}"#);
    lab.check(
        &post,
        &much,
        "",
        expect![[r#"403 Forbidden pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2"#]],
    )
    .await;
    let claim = r#"{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}}}"#;
    lab.check("POST /api/v1/namespaces/default/persistentvolumeclaims", claim, "", expect![[r#"403 Forbidden persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"#]]).await;
    // Other namespaces are not concerned.
    lab.ask("POST /api/v1/namespaces/kube-public/persistentvolumeclaims", claim).await.unwrap();
}

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

#[tokio::test]
async fn quotas_are_charged_with_the_write() {
    let lab = Lab::new().await;
    let quota =
        r#"{"metadata":{"name":"q"},"spec":{"hard":{"configmaps":"2","count/secrets":"1","services.nodeports":"1"}}}"#;
    lab.ask(&format!("POST {QUOTAS}"), quota).await.unwrap();
    let map = |name: &str| format!(r#"{{"metadata":{{"name":"{name}"}}}}"#);
    let maps = "POST /api/v1/namespaces/default/configmaps";
    // Not in force before it was counted.
    lab.ask(maps, &map("a")).await.unwrap();
    let counted = r#"{"status":{"hard":{"configmaps":"2","count/secrets":"1","services.nodeports":"1"},"used":{"configmaps":"1","count/secrets":"0","services.nodeports":"0"}}}"#;
    lab.ask(&format!("MERGE {QUOTAS}/q/status"), counted).await.unwrap();
    lab.ask(&format!("{maps}?dryRun=All"), &map("b")).await.unwrap();
    lab.ask(maps, &map("b")).await.unwrap();
    lab.check(maps, &map("c"), "", expect![[r#"403 Forbidden configmaps "c" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2"#]]).await;
    lab.check(
        &format!("GET {QUOTAS}/q"),
        "",
        "status.used",
        expect![[r#"200 {"configmaps":"2","count/secrets":"0","services.nodeports":"0"}"#]],
    )
    .await;
    // A change costs what it adds.
    let service = |kind: &str| {
        format!(
            r#"{{"metadata":{{"name":"s"}},"spec":{{"type":"{kind}","selector":{{"a":"b"}},"ports":[{{"port":1,"name":"a"}},{{"port":2,"name":"b"}}]}}}}"#
        )
    };
    lab.ask("POST /api/v1/namespaces/default/services", &service("ClusterIP")).await.unwrap();
    lab.check("MERGE /api/v1/namespaces/default/services/s", r#"{"spec":{"type":"NodePort"}}"#, "", expect![[r#"403 Forbidden services "s" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"#]]).await;
    // What fails for another reason is not charged.
    let one = lab.ask(&format!("GET {QUOTAS}/q"), "").await.unwrap();
    lab.ask(maps, &map("a")).await.unwrap_err();
    assert_eq!(tree(lab.ask(&format!("GET {QUOTAS}/q"), "").await.unwrap()), tree(one));
}

#[tokio::test]
async fn a_quota_is_exact_whoever_comes_at_once() {
    let lab = Lab::new().await;
    lab.ask(&format!("POST {QUOTAS}"), r#"{"metadata":{"name":"q"},"spec":{"hard":{"secrets":"7"}}}"#).await.unwrap();
    let counted = r#"{"status":{"hard":{"secrets":"7"},"used":{"secrets":"0"}}}"#;
    lab.ask(&format!("MERGE {QUOTAS}/q/status"), counted).await.unwrap();
    let create = async |i: usize| {
        let body = format!(r#"{{"metadata":{{"name":"s{i}"}}}}"#);
        lab.ask("POST /api/v1/namespaces/default/secrets", &body).await.is_ok()
    };
    let made = futures_util::future::join_all((0..40).map(create)).await;
    assert_eq!(made.into_iter().filter(|ok| *ok).count(), 7);
    lab.check(&format!("GET {QUOTAS}/q"), "", "status.used", expect![[r#"200 {"secrets":"7"}"#]]).await;
}

#[tokio::test]
async fn a_quota_that_comes_later_leaves_what_is_there_alone() {
    let lab = Lab::new().await;
    lab.ask(&format!("POST {PODS}"), POD).await.unwrap();
    lab.ask(&format!("POST {QUOTAS}"), r#"{"metadata":{"name":"q"},"spec":{"hard":{"cpu":"1","pods":"0"}}}"#)
        .await
        .unwrap();
    let counted = r#"{"status":{"hard":{"cpu":"1","pods":"0"},"used":{"cpu":"0","pods":"1"}}}"#;
    lab.ask(&format!("MERGE {QUOTAS}/q/status"), counted).await.unwrap();
    // It says nothing of CPU, and there are too many pods; it may still be changed.
    let labels = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    lab.check(&format!("MERGE {PODS}/p"), labels, "metadata.labels", expect![[r#"200 {"a":"b"}"#]]).await;
    lab.check(
        &format!("POST {PODS}"),
        &POD.replace("\"p\"", "\"q\""),
        "",
        expect![[r#"403 Forbidden pods "q" is forbidden: failed quota: q: must specify cpu for: c"#]],
    )
    .await;
}
