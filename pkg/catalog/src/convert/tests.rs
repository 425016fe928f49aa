//! Both directions of each conversion, from JSON to JSON.

use expect_test::{Expect, expect};
use knarr_api::{
    fields::Set,
    json::{self, Limits},
};

use crate::{Convert, Resource, resources};

fn find(plural: &str) -> Resource {
    resources().into_iter().find(|r| r.plural == plural).unwrap()
}

/// What `json` of the storage face looks like in the other one, and that it comes back the same.
#[track_caller]
fn check(plural: &str, text: &str, expected: Expect) {
    let resource = find(plural);
    let Convert::Functions { from_storage, to_storage, .. } = resource.faces[1].convert else { panic!("identity") };
    let stored = json::parse(text.as_bytes(), &Limits::default()).unwrap().value;
    let mut other = stored.clone();
    from_storage(&mut other);
    let mut printed = Vec::new();
    json::write(&other, &mut printed);
    expected.assert_eq(&String::from_utf8(printed).unwrap());
    to_storage(&mut other);
    assert_eq!(other, stored);
}

#[test]
fn events_change_names() {
    check(
        "events",
        r#"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod"},"message":"hi","source":{"component":"c"},
            "firstTimestamp":null,"lastTimestamp":"2026-01-02T03:04:05Z","count":2,"type":"Normal","eventTime":null,
            "series":{"lastObservedTime":null},"reportingComponent":"","reportingInstance":""}"#,
        expect![[
            r#"{"deprecatedCount":2,"deprecatedFirstTimestamp":null,"deprecatedLastTimestamp":"2026-01-02T03:04:05Z","deprecatedSource":{"component":"c"},"eventTime":null,"metadata":{"name":"e"},"note":"hi","regarding":{"kind":"Pod"},"series":{"count":0,"lastObservedTime":null},"type":"Normal"}"#
        ]],
    );
}

#[test]
fn autoscalers_carry_in_annotations_what_v1_cannot_say() {
    check(
        "horizontalpodautoscalers",
        r#"{"metadata":{"name":"h","annotations":{"a":"b"}},"spec":{"maxReplicas":3,"metrics":[
            {"type":"Pods","pods":{"metric":{"name":"m","selector":{"matchLabels":{"x":"y"}}},
              "target":{"type":"AverageValue","averageValue":"5"}}},
            {"type":"Object","object":{"describedObject":{"kind":"K","name":"n"},"metric":{"name":"m"},
              "target":{"type":"AverageValue","averageValue":"5"}}},
            {"type":"External","external":{"metric":{"name":"q"},"target":{"type":"Value","value":"30"}}},
            {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}],
            "behavior":{"scaleDown":{"stabilizationWindowSeconds":60,"selectPolicy":"Max",
              "policies":[{"type":"Pods","value":4,"periodSeconds":15}],"tolerance":"100m"}}},
          "status":{"desiredReplicas":2,"currentMetrics":[
            {"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"3m","averageUtilization":7}}}],
            "conditions":[{"type":"AbleToScale","status":"True","lastTransitionTime":null,"reason":"R"}]}}"#,
        expect![[
            r#"{"metadata":{"annotations":{"a":"b","autoscaling.alpha.kubernetes.io/behavior":"{\"ScaleUp\":null,\"ScaleDown\":{\"StabilizationWindowSeconds\":60,\"SelectPolicy\":\"Max\",\"Policies\":[{\"Type\":\"Pods\",\"Value\":4,\"PeriodSeconds\":15}],\"Tolerance\":\"100m\"}}","autoscaling.alpha.kubernetes.io/conditions":"[{\"type\":\"AbleToScale\",\"status\":\"True\",\"lastTransitionTime\":null,\"reason\":\"R\"}]","autoscaling.alpha.kubernetes.io/current-metrics":"[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"currentAverageUtilization\":7,\"currentAverageValue\":\"3m\"}}]","autoscaling.alpha.kubernetes.io/metrics":"[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"m\",\"targetAverageValue\":\"5\",\"selector\":{\"matchLabels\":{\"x\":\"y\"}}}},{\"type\":\"Object\",\"object\":{\"target\":{\"kind\":\"K\",\"name\":\"n\"},\"metricName\":\"m\",\"targetValue\":\"0\",\"averageValue\":\"5\"}},{\"type\":\"External\",\"external\":{\"metricName\":\"q\",\"targetValue\":\"30\"}}]"},"name":"h"},"spec":{"maxReplicas":3,"targetCPUUtilizationPercentage":50},"status":{"currentCPUUtilizationPercentage":7,"currentReplicas":0,"desiredReplicas":2}}"#
        ]],
    );
}

#[test]
fn an_autoscaler_with_one_metric_needs_no_annotation() {
    check(
        "horizontalpodautoscalers",
        r#"{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"metrics":[
            {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]},
          "status":{"currentReplicas":1,"desiredReplicas":2,"currentMetrics":null}}"#,
        expect![[
            r#"{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"targetCPUUtilizationPercentage":50},"status":{"currentReplicas":1,"desiredReplicas":2}}"#
        ]],
    );
}

#[test]
fn v1_without_a_target_means_eighty_percent() {
    let Convert::Functions { to_storage, .. } = find("horizontalpodautoscalers").faces[1].convert else { panic!() };
    let mut hpa = knarr_api::value!({ "spec": { "maxReplicas": 1 } });
    to_storage(&mut hpa);
    let target = hpa.list_at(&["spec", "metrics"])[0].at(&["resource", "target", "averageUtilization"]).cloned();
    assert_eq!(target, Some(80.into()));
}

#[test]
fn field_sets_follow() {
    let events = find("events");
    let core = Set::of(&[&["involvedObject", "name"], &["message"], &["reason"]]);
    let newer = Set::of(&[&["regarding", "name"], &["note"], &["reason"]]);
    assert_eq!(events.convert_fields("v1", "events.k8s.io/v1", core.clone()), Some(newer.clone()));
    assert_eq!(events.convert_fields("events.k8s.io/v1", "v1", newer), Some(core.clone()));
    assert_eq!(events.convert_fields("v1", "v1", core.clone()), Some(core.clone()));
    assert_eq!(events.convert_fields("v1", "events.k8s.io/v1beta1", core), None);

    let hpa = find("horizontalpodautoscalers");
    let v2 = Set::of(&[&["spec", "metrics"], &["spec", "behavior", "scaleUp"], &["spec", "maxReplicas"]]);
    let annotation = ["metadata", "annotations", "autoscaling.alpha.kubernetes.io/behavior"];
    let v1 = Set::of(&[&["spec", "targetCPUUtilizationPercentage"], &annotation, &["spec", "maxReplicas"]]);
    assert_eq!(hpa.convert_fields("autoscaling/v2", "autoscaling/v1", v2), Some(v1));
}
