//! Discovery, OpenAPI, health, version, keys.

use expect_test::expect;

use crate::world::World;

#[tokio::test]
async fn plain_and_aggregated_discovery() {
    let world = World::new().await;
    let core = world.ask("GET /api", &[], "").await.json();
    assert_eq!(core["versions"], serde_json::json!(["v1"]));
    assert_eq!(core["serverAddressByClientCIDRs"][0]["serverAddress"], "10.0.0.1:6443");

    const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    let answer = world.ask("GET /apis", &[("accept", AGGREGATED)], "").await;
    assert_eq!(answer.header("content-type"), "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    assert_eq!(answer.json()["items"][0]["versions"][0]["freshness"], "Current");
    let tag = answer.header("etag").to_owned();
    let again = world.ask("GET /apis", &[("accept", AGGREGATED), ("if-none-match", &tag)], "").await;
    assert_eq!((again.code, again.body.len()), (304, 0));

    assert_eq!(world.ask("GET /apis/apps/v1", &[], "").await.json()["groupVersion"], "apps/v1");
    assert_eq!(
        world.ask("GET /apis/none", &[], "").await.refusal(),
        "404 the server could not find the requested resource"
    );
}

#[tokio::test]
async fn open_api() {
    let world = World::new().await;
    let index = world.ask("GET /openapi/v3", &[], "").await.json();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let document = world.ask(&format!("GET {url}"), &[], "").await;
    assert_eq!(document.header("cache-control"), "public, immutable");
    assert!(document.json()["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());
    let moved = world.ask("GET /openapi/v3/apis/apps/v1?hash=old", &[], "").await;
    assert_eq!((moved.code, moved.header("location")), (301, url.as_str()));
    assert_eq!(world.ask("GET /openapi/v3/apis/none/v1", &[], "").await.code, 404);
}

#[tokio::test]
async fn open_api_v2() {
    let world = World::new().await;
    let json = world.ask("GET /openapi/v2", &[], "").await;
    assert_eq!(json.header("content-type"), "application/json");
    assert!(json.json()["definitions"]["io.k8s.api.apps.v1.Deployment"].is_object());
    let accept = [("accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")];
    let protobuf = world.ask("GET /openapi/v2", &accept, "").await;
    assert_eq!(protobuf.header("content-type"), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert_ne!(protobuf.header("etag"), json.header("etag"));
    let known = [accept[0], ("if-none-match", protobuf.header("etag"))];
    assert_eq!(world.ask("GET /openapi/v2", &known, "").await.code, 304);
    assert_eq!(world.ask("GET /openapi/v2", &[("accept", "text/html")], "").await.code, 406);
}

#[tokio::test]
async fn keys_and_version() {
    let world = World::new().await;
    let configuration = world.ask("GET /.well-known/openid-configuration", &[], "").await.text();
    expect![[r#"{"issuer":"https://issuer","jwks_uri":"https://issuer/openid/v1/jwks","response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"]}"#]]
        .assert_eq(&configuration);
    let keys = world.ask("GET /openid/v1/jwks", &[], "").await;
    assert_eq!(keys.header("content-type"), "application/jwk-set+json");
    assert_eq!(keys.json()["keys"][0]["crv"], "P-256");
    let version = world.ask("GET /version", &[], "").await.json();
    assert_eq!(
        (version["major"].as_str(), version["minor"].as_str(), version["gitVersion"].as_str()),
        (Some("1"), Some("36"), Some(knarr_apiserver::VERSION))
    );
    assert_eq!(world.ask("GET /cacerts", &[], "").await.text(), "the CA\n");
    assert!(world.ask("GET /metrics", &[], "").await.text().contains("apiserver_request_total{verb=\"GET\""));
}
