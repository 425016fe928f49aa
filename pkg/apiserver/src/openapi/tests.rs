use serde_json::Value as Json;

use super::*;

fn document(group: &str, version: &str) -> Json {
    let resources = knarr_catalog::resources();
    let catalogue = Catalogue::new(resources.iter());
    let bytes = build(group, catalogue.version(group, version).unwrap(), &Docs::unpack());
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn every_reference_has_a_component() {
    fn walk(json: &Json, visit: &mut impl FnMut(&str)) {
        match json {
            Json::Object(map) => {
                if let Some(Json::String(r)) = map.get("$ref") {
                    visit(r);
                }
                map.values().for_each(|v| walk(v, visit));
            }
            Json::Array(items) => items.iter().for_each(|v| walk(v, visit)),
            _ => {}
        }
    }
    let resources = knarr_catalog::resources();
    let docs = Docs::unpack();
    for group in &Catalogue::new(resources.iter()).groups {
        for version in &group.versions {
            let document: Json = serde_json::from_slice(&build(group.name, version, &docs)).unwrap();
            walk(&document, &mut |reference| {
                let name = reference.strip_prefix("#/components/schemas/").unwrap();
                assert!(document["components"]["schemas"][name].is_object(), "{} {}: {name}", group.name, version.name);
            });
        }
    }
}

#[test]
fn what_clients_look_for_is_there() {
    let core = document("", "v1");
    let schemas = &core["components"]["schemas"];
    let spec = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"];
    assert_eq!(spec["containers"]["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(spec["containers"]["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(spec["volumes"]["x-kubernetes-patch-strategy"], "merge,retainKeys");
    let ports = &schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-map-keys"], serde_json::json!(["port", "protocol"]));
    let pod = &schemas["io.k8s.api.core.v1.Pod"];
    assert_eq!(
        pod["x-kubernetes-group-version-kind"][0],
        serde_json::json!({"group": "", "kind": "Pod", "version": "v1"})
    );
    assert_eq!(
        schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]["default"], "TCP",
        "static defaults are told"
    );

    // `kubectl explain` shows these; a reference keeps its description beside it.
    assert!(pod["description"].is_string() && spec["nodeName"]["description"].is_string());
    let status = &pod["properties"]["status"];
    assert!(status["description"].is_string() && status["allOf"][0]["$ref"].is_string(), "{status}");

    let patch = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-action"], "patch");
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Pod");
    assert_eq!(patch["operationId"], "patchCoreV1NamespacedPod");
    let names: Vec<_> = patch["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "pretty", "force"]);
}
