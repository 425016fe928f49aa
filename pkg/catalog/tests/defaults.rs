//! What the table's static defaults make of the least one can write.

use expect_test::{Expect, expect};
use knarr_api::{
    decode::{self, Validation},
    default,
    json::{self, Limits},
};

#[track_caller]
fn check(group: &str, version: &str, kind: &str, text: &str, expected: Expect) {
    let schema = knarr_catalog::kind(group, version, kind).expect("a kind of the table");
    let parsed = json::parse(text.as_bytes(), &Limits::default()).expect("JSON");
    let mut object = decode::normalise(schema.ty(), parsed, Validation::Strict).expect("an object of the kind").value;
    default::apply(schema.ty(), &mut object);
    let again =
        decode::normalise(schema.ty(), object.clone(), Validation::Strict).expect("an object of the kind").value;
    assert_eq!(again, object, "defaults keep a tree canonical");
    let mut printed = Vec::new();
    json::encode(schema.ty(), &object, &mut printed);
    expected.assert_eq(&String::from_utf8(printed).expect("UTF-8"));
}

#[test]
fn pod() {
    check(
        "",
        "v1",
        "Pod",
        r#"{"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80}],
            "livenessProbe":{"httpGet":{"port":"x"}},"readinessProbe":{"grpc":{"port":1}}}],
          "imagePullSecrets":[{}],
          "volumes":[{"name":"v","secret":{"secretName":"s"}},{"name":"t","projected":{"sources":[
            {"serviceAccountToken":{"path":"p"}}]}}]}}"#,
        expect![[
            r#"{"metadata":{},"spec":{"volumes":[{"name":"v","secret":{"secretName":"s","defaultMode":420}},{"name":"t","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3600,"path":"p"}}],"defaultMode":420}}],"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},"livenessProbe":{"httpGet":{"path":"/","port":"x","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"readinessProbe":{"grpc":{"port":1,"service":""},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"imagePullSecrets":[{}],"schedulerName":"default-scheduler"},"status":{}}"#
        ]],
    );
}

#[test]
fn deployment() {
    check(
        "apps",
        "v1",
        "Deployment",
        r#"{"spec":{"selector":{},"template":{"spec":{"containers":null}}}}"#,
        expect![[
            r#"{"metadata":{},"spec":{"replicas":1,"selector":{},"template":{"metadata":{},"spec":{"containers":null,"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},"strategy":{"type":"RollingUpdate"},"revisionHistoryLimit":10,"progressDeadlineSeconds":600},"status":{}}"#
        ]],
    );
}

#[test]
fn stateful_set() {
    check(
        "apps",
        "v1",
        "StatefulSet",
        r#"{"spec":{"selector":{},"template":{},"volumeClaimTemplates":[{}],
            "persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete"}}}"#,
        expect![[
            r#"{"metadata":{},"spec":{"replicas":1,"selector":{},"template":{"metadata":{},"spec":{"containers":null,"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},"volumeClaimTemplates":[{"metadata":{},"spec":{"resources":{},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}],"serviceName":"","podManagementPolicy":"OrderedReady","updateStrategy":{},"revisionHistoryLimit":10,"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"Delete"}},"status":{"replicas":0,"availableReplicas":0}}"#
        ]],
    );
}

#[test]
fn service() {
    check(
        "",
        "v1",
        "Service",
        r#"{"spec":{"ports":[{"port":80},{"port":53,"protocol":"UDP"}]}}"#,
        expect![[
            r#"{"metadata":{},"spec":{"ports":[{"protocol":"TCP","port":80,"targetPort":0},{"protocol":"UDP","port":53,"targetPort":0}],"type":"ClusterIP","sessionAffinity":"None"},"status":{"loadBalancer":{}}}"#
        ]],
    );
}

#[test]
fn webhook() {
    check(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        r#"{"webhooks":[{"name":"w","clientConfig":{"service":{"namespace":"n","name":"s"}},
            "rules":[{"operations":["*"]}],"sideEffects":null,"admissionReviewVersions":null}]}"#,
        expect![[
            r#"{"metadata":{},"webhooks":[{"name":"w","clientConfig":{"service":{"namespace":"n","name":"s","port":443}},"rules":[{"operations":["*"],"scope":"*"}],"failurePolicy":"Fail","matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{},"sideEffects":null,"timeoutSeconds":10,"admissionReviewVersions":null}]}"#
        ]],
    );
}
