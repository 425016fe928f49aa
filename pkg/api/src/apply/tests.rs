use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::{ApplyError, Write, apply, same_fields, update};
use crate::{
    Status, Value,
    fields::Set,
    kinds::{deployment, text, tree},
    schema::Schema,
};

/// An object and what happens to it, one line per step.
struct Story {
    schema: Schema,
    object: Option<Value>,
    clock: u32,
    log: String,
}

fn story() -> Story {
    Story { schema: deployment(), object: None, clock: 0, log: String::new() }
}

/// `{spec}` in short for a whole object.
fn object(rest: &str) -> Value {
    let mut v = tree(rest);
    v.set(&["apiVersion"], "v1");
    v.set(&["kind"], "Deployment");
    v.set(&["metadata", "name"], "d");
    v
}

fn containers(inner: &str) -> String {
    format!(r#"{{"spec":{{"template":{{"spec":{{"containers":{inner}}}}}}}}}"#)
}

impl Story {
    fn write<T>(&mut self, manager: &str, subresource: &str, run: impl FnOnce(&Write<'_>, Option<&Value>) -> T) -> T {
        self.clock += 1;
        let time = format!("2026-01-01T00:00:{:02}Z", self.clock);
        let reset = if subresource == "status" { Set::of(&[&["spec"]]) } else { Set::of(&[&["status"]]) };
        let write = Write {
            ty: self.schema.ty(),
            manager,
            api_version: "v1",
            subresource,
            time: &time,
            reset: &reset,
            convert: &same_fields,
        };
        run(&write, self.object.as_ref())
    }

    fn apply_as(&mut self, manager: &str, config: &str, force: bool) -> Result<(), ApplyError> {
        let config = object(config);
        let got = self.write(manager, "", |w, live| apply(w, live, &config, force))?;
        self.object = Some(got);
        Ok(())
    }

    #[track_caller]
    fn apply(mut self, manager: &str, config: &str) -> Self {
        self.apply_as(manager, config, false).unwrap();
        self
    }

    #[track_caller]
    fn force(mut self, manager: &str, config: &str) -> Self {
        self.apply_as(manager, config, true).unwrap();
        self
    }

    fn refused(mut self, manager: &str, config: &str) -> Self {
        let status = Status::from(self.apply_as(manager, config, false).unwrap_err());
        let _ = writeln!(self.log, "{} {}", status.code(), status.message());
        for cause in status.details().map(|d| &d.causes[..]).unwrap_or_default() {
            let _ = writeln!(self.log, "  {} {}: {}", cause.reason, cause.field, cause.message);
        }
        self
    }

    /// A write of the whole object, carrying the entries it has read.
    fn put(self, manager: &str, new: &str) -> Self {
        self.put_to(manager, "", new)
    }

    fn put_to(mut self, manager: &str, subresource: &str, new: &str) -> Self {
        let mut new = object(new);
        if new.at(&["metadata", "managedFields"]).is_none()
            && let Some(had) = self.object.as_ref().and_then(|o| o.at(&["metadata", "managedFields"]))
        {
            new.set(&["metadata", "managedFields"], had.clone());
        }
        self.write(manager, subresource, |w, live| update(w, live, &mut new));
        self.object = Some(new);
        self
    }

    #[track_caller]
    fn is(mut self, expected: Expect) {
        let mut object = self.object.take().unwrap_or_default();
        let entries = object.remove(&["metadata", "managedFields"]).unwrap_or_default();
        for gone in [&["apiVersion"][..], &["kind"], &["metadata", "name"]] {
            object.remove(gone);
        }
        let mut out = self.log + &text(&object) + "\n";
        for e in entries.as_array().unwrap_or_default() {
            let at = |name: &str| e.str_at(&[name]).to_owned();
            let fields = Set::from_value(e.get("fieldsV1").unwrap()).unwrap().to_json();
            let sub = if at("subresource").is_empty() { String::new() } else { format!("/{}", at("subresource")) };
            let time = at("time");
            let second = time.get(17..19).unwrap_or("--");
            let _ = writeln!(out, "{second} {} {}{sub} {} {fields}", at("operation"), at("manager"), at("apiVersion"));
        }
        expected.assert_eq(&out);
    }
}

#[test]
fn updates_are_tracked_as_go_prints_objects() {
    story()
        .put("kubectl-create", r#"{"metadata":{"labels":{"a":"b"}},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}]}]}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}}"#)
        .is(expect![[r#"
            {"metadata":{"labels":{"a":"b"}},"spec":{"selector":{"matchLabels":{"a":"b"}},"strategy":{"rollingUpdate":{"maxSurge":1},"type":"RollingUpdate"},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"image":"i","name":"c","ports":[{"containerPort":80,"protocol":"TCP"}]}]}}}}
            01 Update kubectl-create v1 {"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{".":{},"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{}}}}}}}
        "#]]);
}

#[test]
fn ownership_moves_with_changes() {
    story()
        .put("one", r#"{"metadata":{"labels":{"a":"1","b":"1"}},"spec":{"replicas":1}}"#)
        .put("two", r#"{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":1}}"#)
        .put_to("ctl", "status", r#"{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":1},"status":{"replicas":3}}"#)
        // Nothing changes: no time changes either.
        .put("three", r#"{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":1},"status":{"replicas":3}}"#)
        .is(expect![[r#"
            {"metadata":{"labels":{"a":"2"}},"spec":{"replicas":1},"status":{"replicas":3}}
            01 Update one v1 {"f:metadata":{"f:labels":{}},"f:spec":{"f:replicas":{}}}
            02 Update two v1 {"f:metadata":{"f:labels":{"f:a":{}}}}
            03 Update ctl/status v1 {"f:status":{"f:replicas":{}}}
        "#]]);
}

#[test]
fn clients_may_edit_or_end_the_tracking() {
    let base = || story().put("one", r#"{"spec":{"replicas":1}}"#);
    base().put("two", r#"{"metadata":{"managedFields":[]},"spec":{"replicas":2}}"#).is(expect![[r#"
        {"metadata":{},"spec":{"replicas":2}}
    "#]]);
    base().put("two", r#"{"metadata":{"managedFields":[{}]},"spec":{"replicas":1}}"#).is(expect![[r#"
        {"metadata":{},"spec":{"replicas":1}}
    "#]]);
    base()
        .put("two", r#"{"metadata":{"managedFields":[{"manager":"m","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{}}}}]},"spec":{"replicas":1}}"#)
        .is(expect![[r#"
            {"metadata":{},"spec":{"replicas":1}}
            -- Apply m v1 {"f:spec":{"f:replicas":{}}}
        "#]]);
    // Unreadable: the stored ones stay.
    base().put("two", r#"{"metadata":{"managedFields":[{"manager":"m"}]},"spec":{"replicas":1}}"#).is(expect![[r#"
        {"metadata":{},"spec":{"replicas":1}}
        01 Update one v1 {"f:spec":{"f:replicas":{}}}
    "#]]);
    // A subresource cannot send entries.
    base().put_to("two", "status", r#"{"metadata":{"managedFields":[]},"spec":{"replicas":1}}"#).is(expect![[r#"
        {"metadata":{},"spec":{"replicas":1}}
        01 Update one v1 {"f:spec":{"f:replicas":{}}}
    "#]]);
}

#[test]
fn old_updaters_share_an_entry() {
    let mut s = story();
    for i in 1..=12 {
        let labels: Vec<String> = (1..=i).map(|n| format!(r#""l{n:02}":"x""#)).collect();
        s = s.put(&format!("m{i:02}"), &format!(r#"{{"metadata":{{"labels":{{{}}}}}}}"#, labels.join(",")));
    }
    let managers: Vec<String> = s
        .object
        .as_ref()
        .unwrap()
        .list_at(&["metadata", "managedFields"])
        .iter()
        .map(|e| format!("{} {}", e.str_at(&["manager"]), &e.str_at(&["time"])[17..19]))
        .collect();
    assert_eq!(managers.len(), 10);
    assert_eq!(managers[..2], ["ancient-changes 03", "m04 04"]);
}

#[test]
fn apply_owns_removes_and_keeps() {
    story()
        .apply("one", r#"{"metadata":{"labels":{"a":"1","b":"1"}},"spec":{"replicas":3}}"#)
        .apply("two", r#"{"metadata":{"labels":{"b":"1","c":"1"}}}"#)
        .apply("one", r#"{"spec":{"replicas":3}}"#)
        .is(expect![[r#"
            {"metadata":{"labels":{"b":"1","c":"1"}},"spec":{"replicas":3}}
            02 Apply two v1 {"f:metadata":{"f:labels":{"f:b":{},"f:c":{}}}}
            03 Apply one v1 {"f:spec":{"f:replicas":{}}}
        "#]]);
    // The last owner gone, the field goes; nobody's fields stay.
    story()
        .apply("one", r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":3}}"#)
        .put("upd", r#"{"metadata":{"labels":{"a":"1","u":"1"}},"spec":{"replicas":3}}"#)
        .apply("one", r#"{"metadata":{}}"#)
        .is(expect![[r#"
            {"metadata":{"labels":{"u":"1"}}}
            02 Update upd v1 {"f:metadata":{"f:labels":{"f:u":{}}}}
        "#]]);
}

#[test]
fn repeating_an_apply_changes_nothing() {
    let config = containers(r#"[{"name":"c","image":"i"}]"#);
    story().apply("one", &config).apply("one", &config).is(expect![[r#"
        {"metadata":{},"spec":{"template":{"spec":{"containers":[{"image":"i","name":"c"}]}}}}
        01 Apply one v1 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}}}
    "#]]);
}

#[test]
fn conflicts() {
    story()
        .put("kubectl-client-side-apply", r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":1}}"#)
        .put_to("hpa", "scale", r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":2}}"#)
        .refused("me", r#"{"spec":{"replicas":5}}"#)
        .refused("me", r#"{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":5}}"#)
        .apply("me", r#"{"spec":{"replicas":2}}"#)
        .force("me", r#"{"metadata":{"labels":{"a":"2"}},"spec":{"replicas":5}}"#)
        .refused("other", &containers(r#"[{"name":"c"}]"#).replace("\"template\"", "\"replicas\":1,\"template\""))
        .is(expect![[r#"
            409 Apply failed with 1 conflict: conflict with "hpa" with subresource "scale" using v1: .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "hpa" with subresource "scale" using v1
            409 Apply failed with 2 conflicts: conflicts with "hpa" with subresource "scale" using v1:
            - .spec.replicas
            conflicts with "kubectl-client-side-apply" using v1:
            - .metadata.labels.a
              FieldManagerConflict .metadata.labels.a: conflict with "kubectl-client-side-apply" using v1
              FieldManagerConflict .spec.replicas: conflict with "hpa" with subresource "scale" using v1
            409 Apply failed with 1 conflict: conflict with "me": .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "me"
            {"metadata":{"labels":{"a":"2"}},"spec":{"replicas":5}}
            06 Apply me v1 {"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:replicas":{}}}
            01 Update kubectl-client-side-apply v1 {"f:metadata":{"f:labels":{}}}
        "#]]);
}

#[test]
fn a_null_key_is_the_default() {
    let config = containers(r#"[{"name":"a","ports":[{"containerPort":80,"protocol":null}]}]"#);
    story()
        .apply("one", &containers(r#"[{"name":"a","ports":[{"containerPort":80,"protocol":"TCP"}]}]"#))
        .apply("one", &config)
        .is(expect![[r#"
            {"metadata":{},"spec":{"template":{"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"protocol":null}]}]}}}}
            02 Apply one v1 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}}}}}}}}
        "#]]);
}

#[test]
fn null_is_a_value_like_any_other() {
    // Whether the applier leaves something out at the same time, or repeats what it holds, makes no difference.
    story()
        .apply("two", r#"{"spec":{"replicas":3}}"#)
        .refused("one", r#"{"spec":{"replicas":null}}"#)
        .apply("one", r#"{"metadata":{"labels":{"a":"1"}}}"#)
        .refused("one", r#"{"spec":{"replicas":null}}"#)
        .refused("one", r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":null}}"#)
        .force("one", r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":null}}"#)
        .is(expect![[r#"
            409 Apply failed with 1 conflict: conflict with "two": .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "two"
            409 Apply failed with 1 conflict: conflict with "two": .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "two"
            409 Apply failed with 1 conflict: conflict with "two": .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "two"
            {"metadata":{"labels":{"a":"1"}},"spec":{"replicas":null}}
            06 Apply one v1 {"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:replicas":{}}}
        "#]]);
}

#[test]
fn what_an_apply_empties_is_still_there() {
    story()
        .apply("one", r#"{"metadata":{"labels":{"a":"1"}}}"#)
        .apply("two", r#"{"metadata":{"labels":{}}}"#)
        .apply("one", r#"{"metadata":{}}"#)
        .is(expect![[r#"
            {"metadata":{"labels":{}}}
            02 Apply two v1 {"f:metadata":{"f:labels":{}}}
        "#]]);
}

#[test]
fn keyed_lists() {
    story()
        .apply("one", &containers(r#"[{"name":"a","ports":[{"containerPort":80},{"containerPort":53,"protocol":"UDP"}]},{"name":"b"}]"#))
        .apply("two", &containers(r#"[{"name":"c","image":"i"},{"name":"a","ports":[{"containerPort":80,"protocol":"TCP","name":"w"}]}]"#))
        .apply("one", &containers(r#"[{"name":"a","ports":[{"containerPort":53,"protocol":"UDP"}]}]"#))
        .is(expect![[r#"
            {"metadata":{},"spec":{"template":{"spec":{"containers":[{"image":"i","name":"c"},{"name":"a","ports":[{"containerPort":80,"name":"w","protocol":"TCP"},{"containerPort":53,"protocol":"UDP"}]}]}}}}
            02 Apply two v1 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}}},"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}}}
            03 Apply one v1 {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:ports":{"k:{\"containerPort\":53,\"protocol\":\"UDP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}}}}}}}}
        "#]]);
}

#[test]
fn order_of_merged_lists() {
    let names = |list: &str| {
        containers(&format!(
            "[{}]",
            list.split_whitespace().map(|n| format!(r#"{{"name":"{n}"}}"#)).collect::<Vec<_>>().join(",")
        ))
    };
    let table = [
        ("a b c", "b", "a b c"),
        ("a b c", "d", "a b c d"),
        ("a b c", "c a", "b c a"),
        ("a b c", "b d", "a b c d"),
        ("a b c d", "d x a", "b c d x a"),
        ("a c", "a b c", "a b c"),
        ("", "a b", "a b"),
    ];
    for (live, config, expected) in table {
        let mut s = story();
        s.object = Some(object(&names(live)));
        s.apply_as("m", &names(config), true).unwrap();
        let object = s.object.unwrap();
        let got: Vec<&str> =
            object.list_at(&["spec", "template", "spec", "containers"]).iter().map(|c| c.str_at(&["name"])).collect();
        assert_eq!(got.join(" "), expected, "{live} + {config}");
    }
}

#[test]
fn sets_and_atomic_values() {
    story()
        .apply("one", r#"{"metadata":{"finalizers":["a","b"]},"spec":{"selector":{"matchLabels":{"x":"1"}},"template":{"spec":{"nodeSelector":{"a":"1"}}}}}"#)
        .apply("two", r#"{"metadata":{"finalizers":["c","b"]}}"#)
        .refused("two", r#"{"spec":{"template":{"spec":{"nodeSelector":{"b":"1"}}}}}"#)
        .apply("one", r#"{"metadata":{"finalizers":["a"]},"spec":{"selector":{"matchLabels":{"y":"1"}}}}"#)
        .is(expect![[r#"
            409 Apply failed with 1 conflict: conflict with "one": .spec.template.spec.nodeSelector
              FieldManagerConflict .spec.template.spec.nodeSelector: conflict with "one"
            {"metadata":{"finalizers":["a","c","b"]},"spec":{"selector":{"matchLabels":{"y":"1"}}}}
            02 Apply two v1 {"f:metadata":{"f:finalizers":{"v:\"b\"":{},"v:\"c\"":{}}}}
            04 Apply one v1 {"f:metadata":{"f:finalizers":{"v:\"a\"":{}}},"f:spec":{"f:selector":{}}}
        "#]]);
}

#[test]
fn fields_without_schema_are_owned_by_member() {
    story()
        .apply("one", r#"{"spec":{"extension":{"a":{"x":1},"l":[1]},"free":{"a":1}}}"#)
        .apply("two", r#"{"spec":{"extension":{"a":{"y":2}}}}"#)
        .refused("two", r#"{"spec":{"free":{"b":1}}}"#)
        .apply("one", r#"{"spec":{"extension":{"l":[2]}}}"#)
        .is(expect![[r#"
            409 Apply failed with 1 conflict: conflict with "one": .spec.free
              FieldManagerConflict .spec.free: conflict with "one"
            {"metadata":{},"spec":{"extension":{"a":{"y":2},"l":[2]}}}
            02 Apply two v1 {"f:spec":{"f:extension":{"f:a":{".":{},"f:y":{}}}}}
            04 Apply one v1 {"f:spec":{"f:extension":{"f:l":{}}}}
        "#]]);
}

#[test]
fn configurations_that_do_not_fit() {
    story()
        .refused("m", r#"{"spec":{"replica":1}}"#)
        .refused("m", r#"{"spec":{"replicas":"1"}}"#)
        .refused("m", &containers(r#"[{"name":"a","ports":[{"containerPort":80},{"containerPort":80,"protocol":"TCP"}]}]"#))
        .refused("m", &containers(r#"[{"image":"a"}]"#))
        .refused("m", r#"{"metadata":{"finalizers":["a","a"],"labels":{"x":1}}}"#)
        .refused("m", r#"{"metadata":{"managedFields":[]}}"#)
        .is(expect![[r#"
            500 failed to create typed patch object (/d; /v1, Kind=Deployment): .spec.replica: field not declared in schema
            500 failed to create typed patch object (/d; /v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string
            500 failed to create typed patch object (/d; /v1, Kind=Deployment): .spec.template.spec.containers[name="a"].ports: duplicate entries for key [containerPort=80,protocol="TCP"]
            500 failed to create typed patch object (/d; /v1, Kind=Deployment): .spec.template.spec.containers: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)
            500 failed to create typed patch object (/d; /v1, Kind=Deployment): errors:
              .metadata.finalizers: duplicate entries for key [="a"]
              .metadata.labels.x: expected string, got &value.valueUnstructured{Value:1}
            400 metadata.managedFields must be nil
            null
        "#]]);
}

#[test]
fn untracked_objects_get_an_entry_at_the_first_apply() {
    let mut s = story();
    s.object = Some(object(r#"{"metadata":{"labels":{"a":"1"}},"spec":{"replicas":1}}"#));
    s.refused("m", r#"{"spec":{"replicas":2}}"#).apply("m", r#"{"metadata":{"labels":{"b":"1"}}}"#).is(expect![[r#"
        409 Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .spec.replicas
          FieldManagerConflict .spec.replicas: conflict with "before-first-apply" using v1
        {"metadata":{"labels":{"a":"1","b":"1"}},"spec":{"replicas":1}}
        02 Apply m v1 {"f:metadata":{"f:labels":{"f:b":{}}}}
        02 Update before-first-apply v1 {"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:replicas":{}}}
    "#]]);
}

#[test]
fn client_side_apply_is_taken_over() {
    let annotated = |replicas: u32, rest: &str| {
        let last = format!(
            r#"{{\"apiVersion\":\"v1\",\"kind\":\"Deployment\",\"metadata\":{{\"name\":\"d\"}},\"spec\":{{\"replicas\":{replicas}}}}}\n"#
        );
        format!(
            r#"{{"metadata":{{"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{last}"}}}},"spec":{{{rest}}}}}"#
        )
    };
    story().put("kubectl-client-side-apply", &annotated(1, r#""replicas":1"#)).apply("kubectl", r#"{"spec":{"replicas":2}}"#).is(expect![[r#"
        {"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2}}\n"}},"spec":{"replicas":2}}
        02 Apply kubectl v1 {"f:spec":{"f:replicas":{}}}
        01 Update kubectl-client-side-apply v1 {"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}}}
    "#]]);
    // Changed since by somebody: a conflict after all. Another manager: always one.
    story()
        .put("kubectl-client-side-apply", &annotated(1, r#""replicas":3"#))
        .refused("kubectl", r#"{"spec":{"replicas":2}}"#)
        .refused("me", r#"{"spec":{"replicas":1}}"#)
        .is(expect![[r#"
            409 Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "kubectl-client-side-apply" using v1
            409 Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .spec.replicas
              FieldManagerConflict .spec.replicas: conflict with "kubectl-client-side-apply" using v1
            {"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":1}}\n"}},"spec":{"replicas":3}}
            01 Update kubectl-client-side-apply v1 {"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}},"f:spec":{"f:replicas":{}}}
        "#]]);
}

#[test]
fn managers_at_other_versions_see_the_change_translated() {
    let entry = |manager: &str, version: &str, fields: &str| {
        format!(
            r#"{{"manager":"{manager}","operation":"Apply","apiVersion":"{version}","fieldsType":"FieldsV1","fieldsV1":{fields}}}"#
        )
    };
    let live = object(&format!(
        r#"{{"metadata":{{"uid":"u","managedFields":[{},{}]}},"spec":{{"replicas":1}}}}"#,
        entry("old", "v0", r#"{"f:count":{}}"#),
        entry("dead", "v9", r#"{"f:x":{}}"#)
    ));
    let schema = deployment();
    let convert = |from: &str, to: &str, set: Set| match (from, to) {
        ("v1", "v0") => {
            Some(if set.has(&[crate::fields::Element::field("spec"), crate::fields::Element::field("replicas")]) {
                Set::of(&[&["count"]])
            } else {
                Set::new()
            })
        }
        ("v0", "v1") => Some(Set::of(&[&["spec", "replicas"]])),
        _ => None,
    };
    let reset = Set::new();
    let write = Write {
        ty: schema.ty(),
        manager: "m",
        api_version: "v1",
        subresource: "",
        time: "2026-01-01T00:00:01Z",
        reset: &reset,
        convert: &convert,
    };
    let config = object(r#"{"spec":{"replicas":2}}"#);
    let error = apply(&write, Some(&live), &config, false).unwrap_err();
    assert_eq!(error.to_string(), r#"Apply failed with 1 conflict: conflict with "old": .count"#);
    let new = apply(&write, Some(&live), &config, true).unwrap();
    let managers: Vec<&str> =
        new.list_at(&["metadata", "managedFields"]).iter().map(|e| e.str_at(&["manager"])).collect();
    assert_eq!(managers, ["m"]);
}
