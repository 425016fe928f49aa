use std::sync::Arc;

use expect_test::expect;
use knarr_api::schema::Schema;
use knarr_catalog::{Convert, Face, NoHooks};

use super::*;

fn face(group: &str, version: &str) -> Face {
    let schema = Schema::builtin(&knarr_catalog::TABLES, 0);
    Face { group: group.into(), version: version.into(), schema, convert: Convert::Identity }
}

fn resource(plural: &str, kind: &str, faces: Vec<Face>, subresources: Vec<Subresource>) -> Resource {
    Resource {
        plural: plural.into(),
        singular: kind.to_lowercase().into(),
        kind: kind.into(),
        subresources,
        ..Resource::clone(&template(faces))
    }
}

fn template(faces: Vec<Face>) -> Resource {
    let some = knarr_catalog::resources().into_iter().next().expect("there are built-in resources");
    Resource {
        faces,
        storage: 0,
        short_names: vec!["x".into()],
        categories: vec!["all".into()],
        namespaced: true,
        verbs: Verbs::GET.and(Verbs::LIST).and(Verbs::WATCH),
        hooks: Arc::new(NoHooks),
        ..some
    }
}

fn sample() -> Vec<Resource> {
    let sub = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        verbs: Verbs::STATUS,
        resets: Vec::new(),
    };
    vec![
        resource(
            "widgets",
            "Widget",
            vec![face("example.io", "v1beta1"), face("example.io", "v1")],
            vec![sub("scale", "autoscaling", "v1", "Scale"), sub("status", "", "", "")],
        ),
        resource("pods", "Pod", vec![face("", "v1")], Vec::new()),
        resource("deployments", "Deployment", vec![face("apps", "v1")], Vec::new()),
    ]
}

fn text(bytes: &[u8]) -> String {
    serde_json::to_string_pretty(&serde_json::from_slice::<serde_json::Value>(bytes).unwrap()).unwrap()
}

#[test]
fn versions_have_kubernetes_order() {
    let mut versions = ["v1beta1", "foo", "v2alpha1", "v1", "v10", "v1beta10", "v2", "v1alpha1"];
    versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
    assert_eq!(versions, ["v10", "v2", "v1", "v1beta10", "v1beta1", "v2alpha1", "v1alpha1", "foo"]);
}

#[test]
fn groups_have_upstreams_order() {
    let resources = sample();
    let catalogue = Catalogue::new(resources.iter());
    assert_eq!(catalogue.groups.iter().map(|g| g.name).collect::<Vec<_>>(), ["", "apps", "example.io"]);
    expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "APIGroup",
          "name": "example.io",
          "preferredVersion": {
            "groupVersion": "example.io/v1",
            "version": "v1"
          },
          "versions": [
            {
              "groupVersion": "example.io/v1",
              "version": "v1"
            },
            {
              "groupVersion": "example.io/v1beta1",
              "version": "v1beta1"
            }
          ]
        }"#]]
    .assert_eq(&text(&api_group(&catalogue, "example.io").unwrap()));
    assert!(api_group(&catalogue, "").is_none() && api_group(&catalogue, "none").is_none());
}

#[test]
fn resource_lists() {
    let resources = sample();
    let list = resource_list(&Catalogue::new(resources.iter()), "example.io", "v1").unwrap();
    expect![[r#"
        {
          "apiVersion": "v1",
          "groupVersion": "example.io/v1",
          "kind": "APIResourceList",
          "resources": [
            {
              "categories": [
                "all"
              ],
              "kind": "Widget",
              "name": "widgets",
              "namespaced": true,
              "shortNames": [
                "x"
              ],
              "singularName": "widget",
              "storageVersionHash": "55uMtp5NhXo=",
              "verbs": [
                "get",
                "list",
                "watch"
              ]
            },
            {
              "group": "autoscaling",
              "kind": "Scale",
              "name": "widgets/scale",
              "namespaced": true,
              "singularName": "",
              "verbs": [
                "get",
                "patch",
                "update"
              ],
              "version": "v1"
            },
            {
              "kind": "Widget",
              "name": "widgets/status",
              "namespaced": true,
              "singularName": "",
              "verbs": [
                "get",
                "patch",
                "update"
              ]
            }
          ]
        }"#]]
    .assert_eq(&text(&list));
}

#[test]
fn aggregated_lists() {
    let resources = sample();
    let list = aggregated(&Catalogue::new(resources[1..2].iter()), true, AggregatedVersion::V2);
    expect![[r#"
        {
          "apiVersion": "apidiscovery.k8s.io/v2",
          "items": [
            {
              "metadata": {
                "creationTimestamp": null
              },
              "versions": [
                {
                  "freshness": "Current",
                  "resources": [
                    {
                      "categories": [
                        "all"
                      ],
                      "resource": "pods",
                      "responseKind": {
                        "group": "",
                        "kind": "Pod",
                        "version": ""
                      },
                      "scope": "Namespaced",
                      "shortNames": [
                        "x"
                      ],
                      "singularResource": "pod",
                      "verbs": [
                        "get",
                        "list",
                        "watch"
                      ]
                    }
                  ],
                  "version": "v1"
                }
              ]
            }
          ],
          "kind": "APIGroupDiscoveryList",
          "metadata": {}
        }"#]]
    .assert_eq(&text(&list));
}
